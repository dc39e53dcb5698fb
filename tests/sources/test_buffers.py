"""Memory for what is read: writable, given back, and used again only when nobody can see it any more."""

import gc
import mmap

import pytest
import torch

from gated_ray.sources import buffers
from gated_ray.sources.buffers import Recycler, buffers_for, new_buffer

_LARGE = (3 << 20) + 17


@pytest.fixture
def mapped(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the memory that the system was asked for."""
    asked: list[int] = []

    def mapping(size: int) -> mmap.mmap:
        asked.append(size)
        return mmap.mmap(-1, size)

    monkeypatch.setattr(buffers, "_mapping", mapping)
    return asked


@pytest.mark.parametrize("size", [0, 1, 1_000, 256 << 10, _LARGE])
@pytest.mark.parametrize("allocate", [new_buffer, Recycler().allocate])
def test_as_many_bytes_as_asked_for(allocate: buffers.Allocate, size: int) -> None:
    view = allocate(size)
    assert len(view) == size
    assert view.format == "B"
    view[:] = b"x" * size
    assert bytes(view) == b"x" * size


def test_memory_is_used_again(mapped: list[int]) -> None:
    recycler = Recycler()
    for value in range(10):
        view = recycler.allocate(_LARGE)
        view[-1] = value
        del view
    assert len(mapped) == 1


def test_memory_that_a_tensor_still_holds_is_not(mapped: list[int]) -> None:
    """Through a slice of a slice, as weights hold it."""
    recycler = Recycler()
    view = recycler.allocate(_LARGE)
    view[:] = bytes([7]) * _LARGE
    tensor = torch.frombuffer(view[1_000:2_000], dtype=torch.uint8)[100:]
    del view
    other = recycler.allocate(_LARGE)
    other[:] = bytes(_LARGE)
    assert tensor.unique().tolist() == [7]
    assert len(mapped) == 2
    del tensor
    third = recycler.allocate(_LARGE)
    assert len(mapped) == 2
    del other, third


def test_another_size_gets_memory_of_its_own_and_the_old_goes(mapped: list[int]) -> None:
    recycler = Recycler()
    recycler.allocate(_LARGE)
    assert len(recycler.allocate(2 * _LARGE)) == 2 * _LARGE
    assert len(mapped) == 2
    recycler.allocate(_LARGE)
    assert len(mapped) == 3


def test_memory_outlives_its_recycler() -> None:
    recycler = Recycler()
    held = recycler.allocate(_LARGE)
    del recycler
    gc.collect()
    held[:] = b"x" * _LARGE
    assert bytes(held) == b"x" * _LARGE


def test_where_there_is_no_gpu() -> None:
    assert isinstance(buffers_for(torch.device("cpu")).__self__, Recycler)  # type: ignore[attr-defined]
