"""Files of a tree as streams that pyarrow reads: of parquet the parts that it asks for, of others what they hold unpacked."""

import io
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from gated_ray.activations.text_files import TextFile
from gated_ray.errors import InputError
from gated_ray.sources.origin import FileVersion, Origin
from gated_ray.sources.trees import BLOCK, Tree

_UNPACKED = 4 << 20
"""Bytes that are unpacked at a time."""
_PAGES = 4 << 20
"""Bytes of a parquet column that are read at a time: a row group of a gigabyte need not be in memory."""


class _Range(io.RawIOBase):
    """A file at one immutable state, read range by range."""

    def __init__(self, origin: Origin, file: FileVersion) -> None:
        self._origin = origin
        self._file = file
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._file.size}[whence]
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        end = self._file.size if size is None or size < 0 else min(self._at + size, self._file.size)
        if end <= self._at:
            return b""
        (view,) = self._origin.read_spans(self._file, [(self._at, end)])
        self._at = end
        return bytes(view)

    def readinto(self, buffer: Any) -> int:
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)


def open_parquet(tree: Tree, file: TextFile) -> pq.ParquetFile:
    """The file, its footer read.

    Raises:
        InputError: it is no parquet file.
        GatedRayError: it cannot be had.
    """
    source = pa.PythonFile(_Range(tree.origin, tree.files[file.path]), mode="r")
    try:
        return pq.ParquetFile(source, buffer_size=_PAGES, pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        raise broken(tree, file, error) from error


def unpacked_blocks(tree: Tree, file: TextFile) -> Iterator[bytes | memoryview]:
    """The content from beginning to end, some megabytes at a time.

    Raises:
        InputError: it cannot be unpacked.
        GatedRayError: it cannot be had.
    """
    if file.compression is None:
        yield from tree.blocks(file.path)
        return
    packed = io.BufferedReader(_Range(tree.origin, tree.files[file.path]), BLOCK)
    try:
        with pa.CompressedInputStream(pa.PythonFile(packed, mode="r"), file.compression) as stream:
            while block := stream.read(_UNPACKED):
                yield block
    except (pa.ArrowException, OSError) as error:
        raise broken(tree, file, error) from error


def broken(tree: Tree, file: TextFile, error: Exception) -> InputError:
    """That a file cannot be read, in one line."""
    said = " ".join(str(error).split()) or type(error).__name__
    return InputError(f"{tree.full(file.path)}: broken {file.format} file ({said}); write it again, or leave it out")
