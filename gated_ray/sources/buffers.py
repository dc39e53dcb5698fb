"""Memory for what is read."""

import mmap
from collections.abc import Callable
from contextlib import suppress

import torch

_OWN_MAPPING = 256 << 10

Allocate = Callable[[int], memoryview]
"""Makes writable memory of so many bytes."""


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


def pinned_buffer(size: int) -> memoryview:
    """Writable bytes that a GPU can copy from by itself, while the CPU goes on. torch keeps them for the next call."""
    return memoryview(torch.empty(size, dtype=torch.uint8, pin_memory=True).numpy())  # type: ignore[arg-type]


def buffers_for(device: torch.device) -> Allocate:
    """The memory to read into for what is computed on `device`."""
    return pinned_buffer if device.type == "cuda" else new_buffer
