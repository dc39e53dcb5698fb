"""The URL of one file, shared by the threads that read it."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from gated_ray.sources.remote.answers import RemoteFile

_MOST_SECONDS = 50 * 60
"""Signed URLs last an hour."""


class Link:
    """Made when first needed, and again before it expires; one thread makes it, the others wait for its answer or its error.

    Args:
        make: resolves the file; raises members of the error family.
    """

    def __init__(self, make: Callable[[], RemoteFile]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._file: RemoteFile | None = None
        self._made = 0.0
        self._flight: Future[RemoteFile] | None = None

    def get(self) -> RemoteFile:
        """The file as it is resolved now.

        Raises:
            GatedRayError: as `make` does, all its own attempts included.
        """
        with self._lock:
            if self._file is not None and time.monotonic() - self._made <= _MOST_SECONDS:
                return self._file
            flight, is_mine = self._flight or Future(), self._flight is None
            self._flight = flight
        if is_mine:
            self._fly(flight)
        return flight.result()

    def _fly(self, flight: "Future[RemoteFile]") -> None:
        try:
            file = self._make()
        except BaseException as error:  # noqa: BLE001 - raised again in every thread that waits
            with self._lock:
                self._flight = None
            flight.set_exception(error)
        else:
            with self._lock:
                self._file, self._made, self._flight = file, time.monotonic(), None
            flight.set_result(file)

    def forget(self, refused: RemoteFile) -> None:
        """Make a new one next time, unless another thread has done so since `refused` was given out."""
        with self._lock:
            if self._file is refused:
                self._file = None
