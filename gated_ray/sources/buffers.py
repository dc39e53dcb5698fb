"""Memory for what is read."""

import mmap
import weakref
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import torch

_OWN_MAPPING = 256 << 10
_HUGE_PAGE = 2 << 20

Allocate = Callable[[int], memoryview]
"""Makes writable memory of so many bytes."""


def new_buffer(size: int) -> memoryview:
    """Writable bytes whose memory goes back to the system as soon as nothing holds them.

    A mapping of its own, because malloc keeps freed buffers of this size, scattered over its arenas: reading layer by
    layer then held three quarters of the model.
    """
    return memoryview(_mapping(size) if size >= _OWN_MAPPING else bytearray(size))


def _mapping(size: int) -> mmap.mmap:
    """Huge pages make it cost a third of what faulting in small ones does."""
    mapping = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):  # Linux
        with suppress(OSError):  # a kernel built without them
            mapping.madvise(mmap.MADV_HUGEPAGE)
    return mapping


class Recycler:
    """Hands the memory of one layer to the next: clearing fresh pages costs more CPU than taking bytes from a socket does.

    Memory comes back when the last view of it dies, and goes to the system with the recycler, or as soon as another size
    is wanted: what lies unused never adds to the most that was in use. It still holds what was read into it before.
    """

    def __init__(self) -> None:
        self._free: list[mmap.mmap] = []

    def allocate(self, size: int) -> memoryview:
        """Writable bytes, not cleared."""
        if size < _OWN_MAPPING:
            return memoryview(bytearray(size))
        room = -(-size // _HUGE_PAGE) * _HUGE_PAGE
        mapping = self._taken(room) or _mapping(room)
        array = np.frombuffer(mapping, np.uint8)  # every view of it keeps it alive, so that its end is theirs
        weakref.finalize(array, _give_back, weakref.ref(self), mapping).atexit = False
        return memoryview(array)[:size]  # type: ignore[arg-type]

    def _taken(self, room: int) -> mmap.mmap | None:
        # Lists' own operations only: memory may come back at any moment, in this very thread too.
        while self._free:
            with suppress(IndexError):
                if len(mapping := self._free.pop()) == room:
                    return mapping
        return None


def _give_back(to: "weakref.ref[Recycler]", mapping: mmap.mmap) -> None:
    if (recycler := to()) is not None:
        recycler._free.append(mapping)


def pinned_buffer(size: int) -> memoryview:
    """Writable bytes that a GPU can copy from by itself, while the CPU goes on. torch keeps them for the next call."""
    return memoryview(torch.empty(size, dtype=torch.uint8, pin_memory=True).numpy())  # type: ignore[arg-type]


def buffers_for(device: torch.device) -> Allocate:
    """The memory to read into for what is computed on `device`: one for all that is read one after the other."""
    return pinned_buffer if device.type == "cuda" else Recycler().allocate
