"""Reading many spans of one file over the network, in parallel parts."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch

from gated_ray.sources.origin import Span

_PART = 8 << 20
_CONNECTIONS = 4


def new_buffer(size: int) -> memoryview:
    """Writable bytes that, unlike a bytearray's, are not filled with zeros first."""
    return memoryview(torch.empty(size, dtype=torch.uint8).numpy())  # type: ignore[arg-type]


def read_in_parts(spans: Sequence[Span], read: Callable[[int, memoryview], None]) -> list[memoryview]:
    """Fill a buffer for each span with parallel requests of at most 8 MiB.

    Args:
        spans: byte ranges of one file.
        read: called in threads with an offset within the file and the piece of a buffer to fill from there.

    Returns:
        One buffer a span. The first error of any part is raised.
    """
    buffers = [new_buffer(end - begin) for begin, end in spans]
    parts = [
        (begin + start, buffer[start : start + _PART])
        for (begin, _), buffer in zip(spans, buffers, strict=True)
        for start in range(0, len(buffer), _PART)
    ]
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        list(pool.map(lambda part: read(*part), parts))
    return buffers
