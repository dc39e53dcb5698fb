"""A store in a folder of a file system. Writes are atomic by rename; ETags are the MD5 of the content."""

import errno
import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from pyarrow.fs import FileSystem, LocalFileSystem

from gated_ray.errors import ReferenceNotFoundError, StoreError
from gated_ray.store.objects import PROBE_KEY, StoredObject

_FULL = (errno.ENOSPC, errno.EDQUOT)

TEMPORARY = ".tmp"
"""Folder of files that are being written."""


class FolderObjects:
    """Keys are paths below `root`. A listing knows sizes but not ETags, which it would have to read every file for."""

    def __init__(self, folder: str) -> None:
        # Absolute, because workers run in other working directories than the driver.
        self.root = Path(os.path.abspath(os.path.expanduser(folder)))

    @property
    def url(self) -> str:
        return str(self.root)

    def put(self, key: str, body: bytes) -> StoredObject:
        path = self.root / key
        # A name of its own for every write, because two writers of one key must not share a temporary file; and a folder
        # of its own, because some readers of the dataset stumble over what a killed writer leaves behind.
        temporary = self.root / TEMPORARY / uuid.uuid4().hex
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.parent.mkdir(exist_ok=True)
            try:
                with open(temporary, "xb") as file:
                    file.write(body)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(temporary, path)
            finally:
                temporary.unlink(missing_ok=True)
        except OSError as error:
            self._fail("written", key, error)
        return StoredObject(key, len(body), hashlib.md5(body, usedforsecurity=False).hexdigest())

    def get(self, key: str) -> bytes:
        try:
            return (self.root / key).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise ReferenceNotFoundError(f"{self.root / key}: not found in the store") from error
        except OSError as error:
            self._fail("read", key, error)

    def list(self, prefix: str, *, digest: bool = False) -> Iterator[StoredObject]:
        try:
            for key in sorted(self._keys(prefix)):
                path = self.root / key
                # Another writer may delete between the walk and the look.
                with suppress(FileNotFoundError):
                    yield StoredObject(key, path.stat().st_size, _md5(path) if digest else "")
        except OSError as error:
            self._fail("read", prefix, error)

    def delete(self, key: str) -> None:
        try:
            (self.root / key).unlink(missing_ok=True)
        except OSError as error:
            self._fail("deleted", key, error)

    def filesystem(self) -> tuple[FileSystem, str]:
        return LocalFileSystem(), self.root.as_posix()

    def check_writable(self) -> None:
        self.put(PROBE_KEY, b"")
        self.delete(PROBE_KEY)

    def _keys(self, prefix: str) -> Iterator[str]:
        top = self.root / prefix.rpartition("/")[0]
        if not top.exists():
            return
        # Without onerror, os.walk passes over a folder it may not read, and what lies there would count as lost.
        for folder, _, names in os.walk(top, onerror=_raise):
            for name in names:
                key = Path(folder, name).relative_to(self.root).as_posix()
                if key.startswith(prefix) and not key.startswith(f"{TEMPORARY}/"):
                    yield key

    def _fail(self, verb: str, key: str, error: OSError) -> NoReturn:
        advice = "; make room, then run the same command again" if error.errno in _FULL else ""
        raise StoreError(f"{self.root}: cannot be {verb} ({error.strerror}, at {key or '.'}){advice}") from error


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _raise(error: OSError) -> NoReturn:
    raise error
