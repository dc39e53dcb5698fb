"""Opening and reading leaves no descriptor, no thread and no buffer behind, whether it ends well or not."""

import gc
import os
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from gated_ray.architectures.finding import find_blocks
from gated_ray.errors import GatedRayError
from gated_ray.sources.buffers import Allocate, new_buffer
from gated_ray.sources.checkpoint import open_checkpoint, open_origin, read_tensors
from tests.checkpoints.broken import BROKEN
from tests.checkpoints.sound import sound_checkpoint
from tests.servers.hub import HubServer
from tests.servers.hub_faults import Fault, Hook, always, error_page, first, on_cdn, refuse, truncate

_USES = 12


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return sound_checkpoint(tmp_path / "sound")


def _use(ref: str, allocate: Allocate = new_buffer) -> None:
    checkpoint = open_checkpoint(ref)
    read_tensors(open_origin(checkpoint.location), find_blocks(checkpoint)[0].slices, allocate)
    checkpoint.revision()


def _fail(ref: str) -> None:
    with pytest.raises(GatedRayError):
        _use(ref)


def _held() -> tuple[int, int]:
    """Descriptors and threads."""
    gc.collect()
    return len(os.listdir("/proc/self/fd")), threading.active_count()


def _leaves_nothing(use: Callable[[], None]) -> None:
    """Fewer are left than one a use: pools of connections grow and shrink by a few on their own."""
    use()
    before = _held()
    for _ in range(_USES):
        use()
    assert all(now - then < _USES for now, then in zip(_held(), before, strict=True))


def test_a_folder(folder: Path) -> None:
    _leaves_nothing(lambda: _use(str(folder)))


@pytest.mark.parametrize("name", ["truncated_shard", "hole_in_offsets", "header_not_json", "missing_tensor"])
def test_a_broken_folder(folder: Path, name: str) -> None:
    BROKEN[name](folder)
    _leaves_nothing(lambda: _fail(str(folder)))


def _on_a_new_hub(folder: Path, use: Callable[[str], None], *faults: Hook) -> None:
    """Each time another one: a connection to a server that is gone must not be kept for ever."""
    with HubServer() as hub, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_ENDPOINT", hub.endpoint)
        hub.add_repo("org/sound", folder)
        hub.faults += faults
        use("org/sound")


def test_the_hub(folder: Path) -> None:
    _leaves_nothing(lambda: _on_a_new_hub(folder, _use))


@pytest.mark.usefixtures("pauses")
def test_a_hub_that_fails(folder: Path) -> None:
    _leaves_nothing(lambda: _on_a_new_hub(folder, _fail, always(refuse(500), on_cdn)))


class _Buffer(bytearray):
    """One that can be watched."""


def test_buffers_go_with_their_tensors(hub: HubServer, scattered: Path) -> None:
    """Read in the engine's threads, which go on waiting for other work."""
    made: list[weakref.ref[_Buffer]] = []
    sizes: list[int] = []

    def allocate(size: int) -> memoryview:
        sizes.append(size)
        buffer = _Buffer(size)
        made.append(weakref.ref(buffer))
        return memoryview(buffer)

    hub.add_repo("org/scattered", scattered)
    _use("org/scattered", allocate)
    gc.collect()
    assert max(sizes) > 1 << 20
    assert not [reference for reference in made if reference() is not None]


@pytest.mark.usefixtures("pauses")
@pytest.mark.parametrize(
    "fault", [refuse(500), refuse(429), truncate(1000), error_page], ids=["500", "429", "truncated", "page"]
)
@pytest.mark.parametrize("times", [2, 100])
def test_buffers_go_at_once_after_faults(hub: HubServer, scattered: Path, fault: Fault, times: int) -> None:
    """Without a garbage collection, which comes when it likes: the next layer is read before."""
    made: list[weakref.ref[_Buffer]] = []

    def allocate(size: int) -> memoryview:
        buffer = _Buffer(size)
        made.append(weakref.ref(buffer))
        return memoryview(buffer)

    hub.add_repo("org/scattered", scattered)
    checkpoint = open_checkpoint("org/scattered")
    slices = find_blocks(checkpoint)[0].slices
    hub.faults.append(first(times, fault, on_cdn))
    gc.collect()
    gc.disable()
    try:
        with suppress(GatedRayError):
            read_tensors(open_origin(checkpoint.location), slices, allocate)
        assert made
        until = time.monotonic() + 20
        while held := [reference for reference in made if reference() is not None]:
            assert time.monotonic() < until, f"{len(held)} of {len(made)} are held"
            threading.Event().wait(0.01)
    finally:
        gc.enable()
