"""The URL of one file, shared by the threads that read it."""

import threading
import time
from collections.abc import Callable

from gated_ray.sources.answers import RemoteFile

_MOST_SECONDS = 50 * 60
"""Signed URLs last an hour."""


class Link:
    """Made when first needed, and again before it expires; one thread makes it, the others wait for its answer.

    Args:
        make: resolves the file; raises members of the error family.
    """

    def __init__(self, make: Callable[[], RemoteFile]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._file: RemoteFile | None = None
        self._made = 0.0

    def get(self) -> RemoteFile:
        with self._lock:
            if self._file is None or time.monotonic() - self._made > _MOST_SECONDS:
                self._file = self._make()
                self._made = time.monotonic()
            return self._file

    def forget(self, refused: RemoteFile) -> None:
        """Make a new one next time, unless another thread has done so since `refused` was given out."""
        with self._lock:
            if self._file is refused:
                self._file = None
