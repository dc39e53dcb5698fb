"""Safetensors files by hand: the library refuses to write broken ones, and an oracle should not share a reader with the code.

A file is 8 bytes of little-endian header length, a JSON header (name to dtype, shape and data_offsets), then the data.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Header = dict[str, Any]
"""Tensor name to ``{"dtype", "shape", "data_offsets"}``, and ``__metadata__``."""

_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}


def read_raw(path: Path) -> tuple[Header, bytes]:
    """The header and the data of a shard, nothing checked."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def write_raw(path: Path, header: Header, data: bytes) -> None:
    """Write a shard with exactly this header, whatever it says about the data."""
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


@dataclass(frozen=True)
class StoredTensor:
    """A tensor as a shard holds it."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes


def unpack(path: Path) -> dict[str, StoredTensor]:
    """The tensors of a sound shard by name."""
    header, data = read_raw(path)
    entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
    return {
        name: StoredTensor(entry["dtype"], tuple(entry["shape"]), data[slice(*entry["data_offsets"])])
        for name, entry in entries.items()
    }


def pack(path: Path, tensors: dict[str, StoredTensor]) -> None:
    """Write a shard that holds these tensors one after another."""
    header: Header = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, tensor in tensors.items():
        end = offset + len(tensor.data)
        header[name] = {"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": (offset, end)}
        offset = end
    write_raw(path, header, b"".join(tensor.data for tensor in tensors.values()))


def read_float64(folder: Path) -> dict[str, np.ndarray]:
    """Every floating-point tensor of all the ``model*.safetensors`` of a folder, exactly, as float64.

    Raises:
        ValueError: a tensor stands in two shards.
    """
    tensors: dict[str, np.ndarray] = {}
    for path in sorted(folder.glob("model*.safetensors")):
        for name, tensor in unpack(path).items():
            if name in tensors:
                raise ValueError(f"{name} stands in two shards of {folder}")
            if tensor.dtype in _DTYPES:
                tensors[name] = _decode(tensor).reshape(tensor.shape)
    return tensors


def _decode(tensor: StoredTensor) -> np.ndarray:
    if tensor.dtype == "BF16":
        return (np.frombuffer(tensor.data, "<u2").astype("<u4") << 16).view("<f4").astype(np.float64)
    return np.frombuffer(tensor.data, _DTYPES[tensor.dtype]).astype(np.float64)
