"""Safetensors headers: validated by the official library without the data, and read into tensor records."""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from safetensors import SafetensorError, safe_open

from gated_ray.errors import CheckpointError, UnsupportedError
from gated_ray.sources.origin import FileVersion, Origin

_HEADER_LIMIT = 100_000_000
"""Bytes; the official library's own limit."""
_FILE_LIMIT = 1 << 46
"""Bytes; no address space holds more, and no checkpoint has a shard of 64 TiB."""
_FIRST_READ = 32 << 10
_LENGTH = 8


@dataclass(frozen=True)
class TensorRecord:
    """Where one tensor lies.

    Attributes:
        name: as in the header.
        dtype: safetensors code, such as BF16.
        shape: as stored.
        file: the shard.
        begin, end: absolute byte offsets within the shard.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: FileVersion
    begin: int
    end: int

    @property
    def bytes(self) -> int:
        return self.end - self.begin


def read_header(origin: Origin, file: FileVersion, what: str) -> dict[str, TensorRecord]:
    """The tensors of one shard, by name.

    Args:
        what: the checkpoint, for messages.

    Raises:
        CheckpointError: not a sound safetensors file of this size.
        UnsupportedError: a conversion for MLX.
    """
    where = f"{what}: {file.path}"
    if file.size < _LENGTH:
        raise CheckpointError(f"{where}: {file.size} bytes are no safetensors file; download it again")
    if file.size > _FILE_LIMIT:
        raise CheckpointError(f"{where}: a file of {file.size} bytes is over the limit of {_FILE_LIMIT}")
    start = bytes(origin.read_spans(file, [(0, min(_FIRST_READ, file.size))])[0])
    length = int.from_bytes(start[:_LENGTH], "little")
    if length > _HEADER_LIMIT:
        raise CheckpointError(
            f"{where}: header of {length} bytes is over the limit of {_HEADER_LIMIT}; not a sound file"
        )
    if _LENGTH + length > file.size:
        raise CheckpointError(f"{where}: truncated within its header ({file.size} bytes); download it again")
    raw = start[: _LENGTH + length]
    if len(raw) < _LENGTH + length:
        raw += bytes(origin.read_spans(file, [(len(raw), _LENGTH + length)])[0])
    entries = _parse(raw[_LENGTH:], where)
    _validate(raw, file.size, entries, where)
    base = _LENGTH + length
    return {
        name: TensorRecord(
            name,
            str(entry["dtype"]),
            tuple(entry["shape"]),
            file,
            base + entry["data_offsets"][0],
            base + entry["data_offsets"][1],
        )
        for name, entry in entries.items()
    }


def _parse(header: bytes, where: str) -> dict[str, dict[str, Any]]:
    def unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        fields = dict(pairs)
        if len(fields) < len(pairs):
            raise CheckpointError(f"{where}: header names a tensor twice; not a sound file")
        return fields

    try:
        entries = json.loads(header, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{where}: header is not JSON; not a sound file") from error
    if not isinstance(entries, dict):
        raise CheckpointError(f"{where}: header is not a JSON object; not a sound file")
    metadata = entries.pop("__metadata__", None)
    if isinstance(metadata, dict) and metadata.get("format") == "mlx":
        raise UnsupportedError(
            f"{where}: converted for MLX, which changes norms and layouts of some models under the same names; "
            "use the checkpoint that it was made from"
        )
    return entries


def _validate(raw: bytes, size: int, entries: dict[str, Any], where: str) -> None:
    """Let the official library judge the header, over a sparse stand-in of the file's true size."""
    last = max((_end(entry) for entry in entries.values()), default=0)
    if last > size - len(raw):
        raise CheckpointError(
            f"{where}: truncated: its header names {len(raw) + last} bytes, the file has {size}; download it again"
        )
    with _sparse_file(raw, size) as path:
        try:
            with safe_open(path, framework="numpy"):
                pass
        except SafetensorError as error:
            raise CheckpointError(f"{where}: refused by safetensors ({error}); not a sound file") from error


def _end(entry: Any) -> int:
    """The end offset that an entry claims, 0 where it is malformed (the library says how)."""
    match entry:
        case {"data_offsets": [int(), int(end)]}:
            return end
    return 0


@contextlib.contextmanager
def _sparse_file(head: bytes, size: int) -> Iterator[str]:
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("safetensors-header", os.MFD_CLOEXEC)
        path = f"/proc/self/fd/{descriptor}"
    else:
        descriptor, path = tempfile.mkstemp()
    try:
        with open(descriptor, "wb", closefd=False) as stream:
            stream.write(head)
        os.ftruncate(descriptor, size)
        yield path
    finally:
        os.close(descriptor)
        if not path.startswith("/proc/"):
            os.unlink(path)
