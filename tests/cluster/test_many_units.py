"""Many units of many models: each is done once, planning keeps to its bound, and a rerun does what is missing and nothing else.

The figures for fifty times as many are the benchmark `many_units`.
"""

from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gated_ray.cluster import driver, planner
from gated_ray.cluster import sweep as sweep_module
from gated_ray.cluster.pool import Pool
from gated_ray.cluster.result import SweepResult
from gated_ray.cluster.sweep import run_sweep
from gated_ray.store.keys import PUBLISHED
from tests.checkpoints.trivial import trivial_checkpoints
from tests.cluster.noting import notes
from tests.cluster.sweeping import assert_sound, published_files, sweep_settings
from tests.cluster.trivial import TrivialActor

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray_session")]

MODELS, LAYERS = 40, 10

Sweep = Callable[[], SweepResult]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def sweep(tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> Sweep:
    models = trivial_checkpoints(tmp_path / "models", MODELS, LAYERS)
    monkeypatch.setattr(sweep_module, "Pool", partial(Pool, actor_class=TrivialActor))
    return lambda: run_sweep(sweep_settings(store, models))


def published(store: Path) -> list[Path]:
    return sorted((store / "_units").rglob(PUBLISHED))


def test_many_units_are_done_once_and_resumed(sweep: Sweep, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    most_models = 5
    monkeypatch.setattr(driver, "_MOST_UNITS", most_models * LAYERS)
    monkeypatch.setattr(planner, "_THREADS", 1)
    planned_before_publishing = Counter[str]()
    plan_model = planner.plan_model

    def plan(reference: str, *rest: Any) -> Any:
        planned_before_publishing["models"] += not published(store)
        return plan_model(reference, *rest)

    monkeypatch.setattr(planner, "plan_model", plan)
    first = sweep()
    assert first.failures == ()
    assert first.units_done == MODELS * LAYERS
    done = Counter(note.unit for note in notes(store))
    assert len(done) == MODELS * LAYERS
    assert set(done.values()) == {1}, "units were done twice"
    assert_sound(store, MODELS)
    assert most_models < planned_before_publishing["models"] < MODELS / 2, "planning did not wait for the workers"
    whole = published_files(store)

    unpublished = published(store)[::2]
    gone = [manifest for record in unpublished for manifest in sorted(record.parent.glob("0*.json"))[::2]]
    for path in [*unpublished, *gone]:
        path.unlink()
    second = sweep()
    assert second.failures == ()
    assert second.units_done == len(gone) == MODELS * LAYERS // 4
    again = Counter(note.unit for note in notes(store)) - done
    assert len(again) == len(gone)
    assert set(again.values()) == {1}
    assert_sound(store, MODELS)
    assert published_files(store).keys() == whole.keys()

    third = sweep()
    assert third.units_done == 0
    assert all(model.is_published for model in third.models)
    assert len(notes(store)) == MODELS * LAYERS + len(gone)
