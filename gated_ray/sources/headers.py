"""Safetensors headers: validated by the official library without the data, and read into tensor records."""

import contextlib
import json
import os
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from safetensors import SafetensorError, safe_open

from gated_ray.errors import CheckpointError, UnsupportedError
from gated_ray.sources.documents import Bounds, check_bounds, other_file, said
from gated_ray.sources.header_faults import RANK_LIMIT, fault_of
from gated_ray.sources.origin import FileVersion, Origin

_HEADER_LIMIT = 25_000_000
"""Bytes; the header of a tensor has about 100."""
_TENSOR_LIMIT = 100_000
"""Tensors of a shard; DeepSeek-V3 has 92,000 in 163 shards."""
_BOUNDS = Bounds(objects=2 * _TENSOR_LIMIT, keys=5 * _TENSOR_LIMIT, values=12 * _TENSOR_LIMIT)
"""A tensor has one object, four keys, and nine commas and brackets where it has four dimensions."""
_FILE_LIMIT = 1 << 46
"""Bytes; no address space holds more, and no checkpoint has a shard of 64 TiB."""
NAME_LIMIT = 500
"""Characters of a tensor's name."""
_FIRST_READ = 32 << 10
_LENGTH = 8
_LONG = 2 << 20
"""Bytes of a header that is read while no other such is, because what it takes to parse is many times as much."""

_one_long_header = threading.Lock()


@dataclass(frozen=True, slots=True)
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
        CheckpointError: not a sound safetensors file of this size, or one beyond what any checkpoint has.
        UnsupportedError: a conversion for MLX.
    """
    where = f"{what}: {file.path}"
    if file.size < _LENGTH:
        raise CheckpointError(f"{where}: {file.size} bytes are no safetensors file; download it again")
    if file.size > _FILE_LIMIT:
        raise CheckpointError(f"{where}: a file of {file.size} bytes is over the limit of {_FILE_LIMIT}")
    start = bytes(origin.read_spans(file, [(0, min(_FIRST_READ, file.size))])[0])
    length = int.from_bytes(start[:_LENGTH], "little")
    if fault := _fault_of_start(start, length, file.size):
        raise CheckpointError(f"{where}: {fault}")
    with _one_long_header if length > _LONG else contextlib.nullcontext():
        raw = start[: _LENGTH + length]
        if len(raw) < _LENGTH + length:
            raw += origin.read_spans(file, [(len(raw), _LENGTH + length)])[0]
        return _records(raw, origin.seen(file), where)


def _fault_of_start(start: bytes, length: int, size: int) -> str | None:
    """Why a file cannot begin like this; None where it can."""
    if length <= _HEADER_LIMIT and _LENGTH + length <= size and start[_LENGTH : _LENGTH + 1] == b"{":
        return None
    if found := other_file(start):
        return f"this is {found}"
    if length > _HEADER_LIMIT:
        return f"header of {length} bytes is over the limit of {_HEADER_LIMIT}; not a sound file"
    if _LENGTH + length > size:
        return f"truncated within its header ({size} bytes); download it again"
    return f"header is not JSON that begins with {{ but with {said(start[_LENGTH:][:8])}; not a sound file"


def _records(raw: bytes, file: FileVersion, where: str) -> dict[str, TensorRecord]:
    if (count := raw.count(b'"data_offsets"')) > _TENSOR_LIMIT:
        raise CheckpointError(f"{where}: {count} tensors are over the limit of {_TENSOR_LIMIT} a file")
    check_bounds(raw, f"{where}: header", _BOUNDS)
    refusal = _refusal(raw, file.size)
    entries = _parse(memoryview(raw)[_LENGTH:], where)
    data = file.size - len(raw)
    if refusal is not None:
        raise CheckpointError(
            f"{where}: {fault_of(entries, data) or f'refused by safetensors ({refusal}); not a sound file'}"
        )
    for name, entry in entries.items():  # in place: what a record is made of need not stay until all are made
        entries[name] = _record(name, entry, file, len(raw), where)
    return entries


def _refusal(raw: bytes, size: int) -> str | None:
    """What the official library says against a header, over a sparse stand-in of the file's true size."""
    with _sparse_file(raw, size) as path:
        try:
            with safe_open(path, framework="numpy"):
                return None
        except SafetensorError as error:
            return "".join(each if each.isprintable() else " " for each in str(error)[:300])


def _parse(header: memoryview, where: str) -> dict[str, Any]:
    def unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        fields = dict(pairs)
        if len(fields) < len(pairs):
            raise CheckpointError(f"{where}: header names {_twice(pairs)} twice; not a sound file")
        return fields

    try:
        entries = json.loads(str(header, "utf-8"), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{where}: header is not JSON ({said(str(error))}); not a sound file") from error
    metadata = entries.pop("__metadata__", None)
    if isinstance(metadata, dict) and metadata.get("format") == "mlx":
        raise UnsupportedError(
            f"{where}: converted for MLX, which changes norms and layouts of some models under the same names; "
            "use the checkpoint that it was made from"
        )
    return entries  # type: ignore[no-any-return]


def _twice(pairs: Sequence[tuple[str, Any]]) -> str:
    counts = Counter(key for key, _ in pairs)
    return said(counts.most_common(1)[0][0])


def _record(name: str, entry: Any, file: FileVersion, base: int, where: str) -> TensorRecord:
    if not isinstance(entry, dict):  # the library takes lists, which no writer makes
        raise CheckpointError(f"{where}: tensor {said(name)} has the entry {said(entry)}, which is no JSON object")
    if not name or len(name) > NAME_LIMIT or not name.isprintable():
        fault = f"longer than {NAME_LIMIT} characters" if len(name) > NAME_LIMIT else "empty or has control characters"
        raise CheckpointError(f"{where}: tensor name {said(name)} is {fault}; not a sound file")
    shape, (begin, end) = tuple(entry["shape"]), entry["data_offsets"]
    if len(shape) > RANK_LIMIT or (shape and max(shape) > 2 * _FILE_LIMIT):
        raise CheckpointError(
            f"{where}: tensor {name} has shape {said(shape)} of {len(shape)} dimensions; not a sound file"
        )
    return TensorRecord(name, sys.intern(entry["dtype"]), shape, file, base + begin, base + end)


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
