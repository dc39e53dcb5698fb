"""A checkpoint in a folder."""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gated_ray.errors import AccessError, CheckpointError, ReferenceNotFoundError
from gated_ray.sources.origin import FileVersion, Location, Span
from gated_ray.sources.parts import new_buffer

_READ = 64 << 20


class FolderOrigin:
    """Files of a local (or mounted) folder, read with `preadv`: a file cut short while we read is an error, not a SIGBUS."""

    def __init__(self, location: Location) -> None:
        self._folder = Path(location.address)

    def files(self) -> dict[str, FileVersion]:
        try:
            entries = [entry for entry in os.scandir(self._folder) if entry.is_file()]
            found = [(entry.name, entry.stat()) for entry in entries]
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ReferenceNotFoundError(f"{self._folder}: no such folder") from error
        except PermissionError as error:
            raise AccessError(f"{self._folder}: permission denied") from error
        return {name: FileVersion(name, stat.st_size, str(stat.st_mtime_ns)) for name, stat in found}

    def read_file(self, file: FileVersion) -> bytes:
        return bytes(self.read_spans(file, [(0, file.size)])[0])

    def read_spans(self, file: FileVersion, spans: Sequence[Span]) -> list[memoryview]:
        descriptor = self._open(file)
        try:
            return [self._read(descriptor, file, span) for span in spans]
        finally:
            os.close(descriptor)

    def content_digest(self, files: Sequence[FileVersion]) -> str:
        """SHA-256 over the names and whole contents: checkpoints of one training run differ in nothing else."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            digests = list(pool.map(self._digest, files))
        whole = hashlib.sha256()
        for file, digest in sorted(zip((file.path for file in files), digests, strict=True)):
            whole.update(f"{file}\0{digest}\n".encode())
        return whole.hexdigest()

    def missing_weights_advice(self) -> str:
        return ""

    def _open(self, file: FileVersion) -> int:
        path = self._folder / file.path
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError as error:
            raise CheckpointError(f"{path}: disappeared while it was being read") from error
        except PermissionError as error:
            raise AccessError(f"{path}: permission denied") from error
        stat = os.fstat(descriptor)
        if (stat.st_size, str(stat.st_mtime_ns)) != (file.size, file.version):
            os.close(descriptor)
            raise CheckpointError(f"{path}: changed while it was being read; run again when it is complete")
        return descriptor

    def _read(self, descriptor: int, file: FileVersion, span: Span) -> memoryview:
        begin, end = span
        view = new_buffer(end - begin)
        done = 0
        while done < len(view):
            count = os.preadv(descriptor, [view[done : done + _READ]], begin + done)
            if count == 0:
                raise CheckpointError(f"{self._folder / file.path}: ends at byte {begin + done}, before byte {end}")
            done += count
        return view

    def _digest(self, file: FileVersion) -> str:
        descriptor = self._open(file)
        with os.fdopen(descriptor, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
