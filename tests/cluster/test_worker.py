"""What a worker answers: receipts that say who can act on an error. No Ray here."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
import torch

from gated_ray.cluster import receipts
from gated_ray.cluster import worker as worker_module
from gated_ray.cluster.plan import ModelPlan
from gated_ray.cluster.worker import Worker
from gated_ray.errors import AccessError, CheckpointError, CorruptionError, StoreError, TransientError
from gated_ray.measurement import LoadedBlock, load_blocks, measure_block
from gated_ray.store.objects import open_objects
from gated_ray.store.units import committed_units
from tests.checkpoints.sound import FIRST, sound_checkpoint
from tests.cluster.planning import make_plan
from tests.cluster.sweeping import QUICK, sweep_settings


@pytest.fixture
def model(tmp_path: Path) -> ModelPlan:
    settings = sweep_settings(tmp_path / "store", [sound_checkpoint(tmp_path / "model")])
    return make_plan(settings, open_objects(settings.store)).models[0]


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    return Worker(sweep_settings(tmp_path / "store", []).store, QUICK, threads=1)


class Ended(BaseException):
    """Instead of the process's end."""


def test_a_device_that_is_broken_ends_the_worker(
    worker: Worker, model: ModelPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would fail every further unit at once, and so be the one that is always free."""

    def fail(*_: object) -> None:
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered", 700)

    def end(code: int) -> None:
        raise Ended(code)

    monkeypatch.setattr(worker_module, "load_blocks", fail)
    monkeypatch.setattr(receipts.os, "_exit", end)
    with pytest.raises(Ended, match="1"):
        worker.measure(model.units[0])


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (CheckpointError("the shard changed"), "model", "the shard changed"),
        (AccessError("no entry"), "access", "no entry"),
        (StoreError("the store is full"), "store", "the store is full"),
        (TransientError("the network faltered"), "transient", "the network faltered"),
        (CorruptionError("other bytes"), "transient", "other bytes"),
        (OSError(24, "Too many open files"), "transient", "[Errno 24] Too many open files"),
        (MemoryError(), "transient", "out of memory"),
        (torch.OutOfMemoryError("Tried to allocate\n2 GiB"), "transient", "out of memory"),
        (ValueError("nobody\nforesaw"), "bug", "internal error (ValueError: nobody foresaw); please report it"),
    ],
)
def test_errors_become_receipts(
    error: Exception, kind: str, message: str, worker: Worker, model: ModelPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(worker_module, "load_blocks", fail)
    receipt = worker.measure(model.units[0])
    assert (receipt.kind, receipt.error) == (kind, message)
    assert receipt.traceback.startswith("Traceback")


def test_a_checkpoint_that_changes_while_it_is_read(worker: Worker, model: ModelPlan) -> None:
    shard = Path(model.units[0].unpack().location.address) / FIRST
    shard.write_bytes(shard.read_bytes() + b"\0")
    receipt = worker.measure(model.units[0])
    assert receipt.kind == "model"
    assert "changed while it was being read" in str(receipt.error)


def test_units_missing_at_publication_are_named(worker: Worker, model: ModelPlan) -> None:
    assert worker.measure(model.units[1]).error is None
    receipt = worker.publish(model.publishing)
    assert (receipt.kind, receipt.again) == ("transient", (model.units[0].key,))


def test_one_unit_is_read_while_another_is_computed(
    worker: Worker, model: ModelPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are read before either is computed, and computing is done by one at a time."""
    both_read = threading.Barrier(2, timeout=60)
    computing = threading.Lock()

    def load(*arguments: Any) -> list[LoadedBlock]:
        loaded = load_blocks(*arguments)
        both_read.wait()
        return loaded

    def measure(*arguments: Any) -> tuple[pa.Table, pa.Table]:
        assert computing.acquire(blocking=False), "two blocks are computed at once"
        try:
            return measure_block(*arguments)
        finally:
            computing.release()

    monkeypatch.setattr(worker_module, "load_blocks", load)
    monkeypatch.setattr(worker_module, "measure_block", measure)
    with ThreadPoolExecutor(2) as pool:
        assert [receipt.error for receipt in pool.map(worker.measure, model.units)] == [None, None]


def test_waiting_for_ones_turn_is_not_work(worker: Worker, model: ModelPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    def load(*arguments: Any) -> list[LoadedBlock]:
        nonlocal now
        now += 1.0
        return load_blocks(*arguments)

    @contextmanager
    def turn() -> Iterator[None]:
        nonlocal now
        now += 100.0
        yield

    monkeypatch.setattr(worker_module, "load_blocks", load)
    monkeypatch.setattr(worker_module, "time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr(worker, "_computing", turn())
    assert worker.measure(model.units[0]).error is None
    (manifest,) = committed_units(worker._objects, model.partition, model.publishing.identity).values()
    assert manifest.seconds == 1.0


def test_one_reader_a_checkpoint(worker: Worker, model: ModelPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    open_origin = worker_module.open_origin
    monkeypatch.setattr(worker_module, "open_origin", lambda location: opened.append(location) or open_origin(location))
    for unit in model.units:
        assert worker.measure(unit).error is None
    assert opened == [model.units[0].unpack().location]
