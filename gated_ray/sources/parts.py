"""Reading many spans of one file over the network, in parallel parts."""

import mmap
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from gated_ray.sources.origin import Span

_PART = 8 << 20
_OWN_MAPPING = 256 << 10
_CONNECTIONS = 4


def new_buffer(size: int) -> memoryview:
    """Writable bytes whose memory goes back to the system as soon as nothing holds them.

    A mapping of its own, because malloc keeps freed buffers of this size, scattered over its arenas: reading layer by
    layer then held three quarters of the model. Huge pages make it cost a third of what faulting in small ones does.
    """
    if size < _OWN_MAPPING:
        return memoryview(bytearray(size))
    mapping = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):  # Linux
        with suppress(OSError):  # a kernel built without them
            mapping.madvise(mmap.MADV_HUGEPAGE)
    return memoryview(mapping)


def read_in_parts(spans: Sequence[Span], read: Callable[[int, memoryview], None]) -> list[memoryview]:
    """Fill a buffer for each span with parallel requests of at most 8 MiB.

    Args:
        spans: byte ranges of one file.
        read: called, mostly in threads, with an offset within the file and the piece of a buffer to fill from there.

    Returns:
        One buffer a span. The first error of any part is raised.
    """
    buffers = [new_buffer(end - begin) for begin, end in spans]
    parts = [
        (begin + start, buffer[start : start + _PART])
        for (begin, _), buffer in zip(spans, buffers, strict=True)
        for start in range(0, len(buffer), _PART)
    ]
    if len(parts) == 1:  # in the caller's thread, whose connection is open from the last time
        read(*parts[0])
        return buffers
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        list(pool.map(lambda part: read(*part), parts))
    return buffers
