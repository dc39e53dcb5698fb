"""A checkpoint in a folder."""

import hashlib
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from gated_ray.errors import AccessError, CheckpointError, ReferenceNotFoundError, TransientError
from gated_ray.sources.buffers import Allocate, new_buffer
from gated_ray.sources.origin import FileVersion, Location, Span

_READ = 64 << 20
_SILENT_SECONDS = 2.0


class FolderOrigin:
    """Files of a local (or mounted) folder, read with `preadv`: a file cut short while we read is an error, not a SIGBUS."""

    def __init__(self, location: Location) -> None:
        self._folder = Path(location.address)

    def files(self) -> dict[str, FileVersion]:
        try:
            with _translated_errors(self._folder), os.scandir(self._folder) as entries:
                found = [(entry.name, entry.stat()) for entry in entries if entry.is_file()]
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ReferenceNotFoundError(f"{self._folder}: no such folder") from error
        return {name: FileVersion(name, stat.st_size, str(stat.st_mtime_ns)) for name, stat in found}

    def all_files(self) -> dict[str, FileVersion]:
        """The files at any depth, by path with ``/``; folders that are links are not entered.

        Raises:
            AccessError, TransientError: one cannot be looked into.
        """
        found = {}
        with _translated_errors(self._folder):
            for folder, _, names in os.walk(self._folder, onerror=_raise):
                for path in (Path(folder, name) for name in names):
                    if path.is_file():
                        relative, stat = path.relative_to(self._folder).as_posix(), path.stat()
                        found[relative] = FileVersion(relative, stat.st_size, str(stat.st_mtime_ns))
        return found

    def read_file(self, file: FileVersion) -> bytes:
        return bytes(self.read_spans(file, [(0, file.size)])[0])

    def read_spans(self, file: FileVersion, spans: Sequence[Span], allocate: Allocate = new_buffer) -> list[memoryview]:
        with self._opened(file) as descriptor:
            return [self._read(descriptor, file, span, allocate) for span in spans]

    def seen(self, file: FileVersion) -> FileVersion:
        return file

    def content_digest(self, files: Sequence[FileVersion]) -> str:
        """SHA-256 over the names and whole contents: checkpoints of one training run differ in nothing else."""
        size = sum(file.size for file in files)
        said = f"reading {self._folder} ({size / 1e9:.1f} GB) to name its revision"
        with said_if_it_takes_long(said), ThreadPoolExecutor(os.cpu_count()) as pool:
            digests = list(pool.map(self._digest, files))
        whole = hashlib.sha256()
        for file, digest in sorted(zip((file.path for file in files), digests, strict=True)):
            whole.update(f"{file}\0{digest}\n".encode())
        return whole.hexdigest()

    def missing_weights_advice(self) -> str:
        return ""

    @contextmanager
    def _opened(self, file: FileVersion) -> Iterator[int]:
        """A descriptor of the file, which is the same before and after the block as when the checkpoint was opened."""
        path = self._folder / file.path
        try:
            with _translated_errors(path), path.open("rb", buffering=0) as stream:
                _check_unchanged(stream.fileno(), path, file)
                yield stream.fileno()
                _check_unchanged(stream.fileno(), path, file)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise CheckpointError(f"{path}: disappeared while it was being read") from error

    def _read(self, descriptor: int, file: FileVersion, span: Span, allocate: Allocate) -> memoryview:
        begin, end = span
        view = allocate(end - begin)
        done = 0
        while done < len(view):
            count = os.preadv(descriptor, [view[done : done + _READ]], begin + done)
            if count == 0:
                raise CheckpointError(f"{self._folder / file.path}: ends at byte {begin + done}, before byte {end}")
            done += count
        return view

    def _digest(self, file: FileVersion) -> str:
        with self._opened(file) as descriptor, open(descriptor, "rb", closefd=False) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def said_if_it_takes_long(line: str) -> Iterator[None]:
    """Print the line on stderr, once, where the block is not over in `_SILENT_SECONDS`."""
    timer = threading.Timer(_SILENT_SECONDS, lambda: print(line, file=sys.stderr, flush=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def _check_unchanged(descriptor: int, path: Path, file: FileVersion) -> None:
    stat = os.fstat(descriptor)
    if (stat.st_size, str(stat.st_mtime_ns)) != (file.size, file.version):
        raise CheckpointError(f"{path}: changed while it was being read; run again when it is complete")


@contextmanager
def _translated_errors(path: Path) -> Iterator[None]:
    """Errors of the file system as ours, but for what is not there, which callers word themselves."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise
    except PermissionError as error:
        raise AccessError(f"{path}: permission denied") from error
    except OSError as error:
        raise TransientError(f"{path}: cannot be read ({error.strerror})") from error


def _raise(error: OSError) -> NoReturn:
    """What os.walk would pass over."""
    raise error
