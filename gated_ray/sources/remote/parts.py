"""The pieces in which files are read over the network."""

import threading
from collections.abc import Sequence

from gated_ray.sources.buffers import Allocate
from gated_ray.sources.origin import Span

LEAST_PART = 8 << 20
"""Of 4 MiB a request costs as much as the bytes that it brings, on a fast wire."""
MOST_PART = 16 << 20
_PARTS = 8
"""Of one call, so that several connections have something to do."""


class Part:
    """A run of one file's bytes and the memory that they go to.

    Filled by one request after another, each going on where the last one broke off, or at once by another one that was
    sent in its place.

    Attributes:
        begin: its first byte within the file.
        view: its memory.
        whole: whether it is a whole file, to be asked for without a range.
        done: bytes that are there, from its beginning.
        settled: all of it is there, or nobody waits for it any more; the memory is not written any more.
        instead_of: the part that this one was sent in place of; what settles that one makes this one useless.
    """

    def __init__(self, begin: int, view: memoryview, whole: bool = False, instead_of: "Part | None" = None) -> None:
        self.begin = begin
        self.view = view
        self.whole = whole
        self.done = 0
        self.settled = False
        self.instead_of = instead_of
        self._lock = threading.Lock()

    @property
    def wanted(self) -> bool:
        """Whether somebody still waits for its bytes."""
        return not (self.settled or (self.instead_of is not None and self.instead_of.settled))

    @property
    def size(self) -> int:
        return len(self.view)

    @property
    def left(self) -> int:
        return len(self.view) - self.done

    def append(self, data: bytes | bytearray) -> bool:
        """Take the next bytes; False where they are not wanted any more."""
        with self._lock:
            if not self.wanted:
                return False
            end = self.done + len(data)
            self.view[self.done : end] = data
            self.done = end
            return True

    def settle(self, start: int = 0, rest: memoryview | None = None) -> None:
        """Write no more.

        Args:
            start, rest: the bytes from `start` to the end, where another request has brought them.
        """
        with self._lock:
            if rest is not None and not self.settled:
                self.view[start:] = rest
            self.settled = True


def parts_of(spans: Sequence[Span], allocate: Allocate) -> tuple[list[memoryview], list[Part]]:
    """A buffer for each span, and the parts of 8 to 16 MiB that fill them; the last of a span may be smaller."""
    buffers = [allocate(end - begin) for begin, end in spans]
    size = min(max(sum(map(len, buffers)) // _PARTS, LEAST_PART), MOST_PART)
    parts = [
        Part(begin + start, buffer[start : start + size])
        for (begin, _), buffer in zip(spans, buffers, strict=True)
        for start in range(0, len(buffer), size)
    ]
    return buffers, parts
