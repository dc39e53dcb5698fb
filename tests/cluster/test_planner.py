"""Planning streams: work begins, and goes on, while models are still being planned."""

import threading
from pathlib import Path
from queue import Empty, SimpleQueue

import pytest

from gated_ray.cluster import driver as driver_module
from gated_ray.cluster import planner as planner_module
from gated_ray.cluster.driver import Driver
from gated_ray.cluster.failures import Failure
from gated_ray.cluster.plan import ModelPlan, plan_model
from gated_ray.cluster.planner import Planned, Planner
from gated_ray.cluster.progress import Progress
from gated_ray.cluster.stopping import stopping
from gated_ray.cluster.sweep import run_sweep
from gated_ray.cluster.work import Publishing
from gated_ray.errors import StoreError, TransientError
from gated_ray.settings import ClusterSettings, SweepSettings
from gated_ray.store.keys import Partition
from gated_ray.store.objects import Objects, open_objects
from tests.checkpoints.tiny import tiny_checkpoint
from tests.cluster.sweeping import assert_sound, sweep_settings

_PATIENCE_SECONDS = 60


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The second is larger than the first, so that its units need larger workers."""
    parent = tmp_path_factory.mktemp("models")
    tiny_checkpoint(parent / "small", "llama")
    tiny_checkpoint(parent / "large", "llama", hidden_size=512, intermediate_size=4096)
    return [parent / "small", parent / "large"]


@pytest.mark.slow
@pytest.mark.usefixtures("ray_session")
def test_a_model_is_published_while_the_next_is_still_being_planned(
    models: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "store"
    held_up = threading.Event()

    def plan(reference: str, settings: SweepSettings, objects: Objects) -> ModelPlan:
        if reference.endswith("large"):
            wait = threading.Event()
            for _ in range(_PATIENCE_SECONDS * 20):
                if any(store.rglob("model=small/**/published.json")):
                    held_up.set()
                    break
                wait.wait(0.05)
        return plan_model(reference, settings, objects)

    monkeypatch.setattr(planner_module, "plan_model", plan)
    monkeypatch.setattr(driver_module, "_PLAN_FIRST_SECONDS", 0.0)
    result = run_sweep(sweep_settings(store, models, workers=1))
    assert held_up.is_set()
    assert result.failures == ()
    assert [model.partition.model for model in result.models] == ["small", "large"]
    assert_sound(store, 2)
    assert "a model needs larger workers" in capsys.readouterr().err


def test_each_comes_out_when_it_is_ready(models: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    second_is_out = threading.Event()

    def plan(reference: str, settings: SweepSettings, objects: Objects) -> ModelPlan:
        if reference == "first":
            assert second_is_out.wait(_PATIENCE_SECONDS)
        raise TransientError(f"{reference}: not now")

    monkeypatch.setattr(planner_module, "plan_model", plan)
    planner = planner_of(tmp_path, ["first", "second", "first"])
    assert planner.order == {"first": 0, "second": 1}
    (second,) = planner.take(_PATIENCE_SECONDS)
    assert second == Failure("second", "second: not now", second.traceback, "transient")  # type: ignore[union-attr]
    assert not planner.is_over
    second_is_out.set()
    assert [each.reference for each in planner.take(_PATIENCE_SECONDS)] == ["first"]
    assert planner.is_over


def test_planning_waits_while_there_is_enough_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: SimpleQueue[str] = SimpleQueue()
    go_on = threading.Semaphore(0)

    def plan(reference: str, settings: SweepSettings, objects: Objects) -> ModelPlan:
        begun.put(reference)
        assert go_on.acquire(timeout=_PATIENCE_SECONDS)
        raise TransientError("not now")

    monkeypatch.setattr(planner_module, "plan_model", plan)
    monkeypatch.setattr(planner_module, "_THREADS", 1)
    planner = planner_of(tmp_path, ["first", "second"])
    assert begun.get(timeout=_PATIENCE_SECONDS) == "first"
    planner.hold(True)
    go_on.release(2)
    assert [each.reference for each in planner.take(_PATIENCE_SECONDS)] == ["first"]
    with pytest.raises(Empty):
        begun.get(timeout=0.2)
    planner.hold(False)
    assert [each.reference for each in planner.take(_PATIENCE_SECONDS)] == ["second"]


def test_what_nobody_took_is_named_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    def plan(reference: str, settings: SweepSettings, objects: Objects) -> ModelPlan:
        assert go_on.wait(_PATIENCE_SECONDS)
        raise TransientError("not now")

    monkeypatch.setattr(planner_module, "plan_model", plan)
    references = [str(number) for number in range(20)]
    planner = planner_of(tmp_path, references)
    assert planner.close() == references
    go_on.set()


@pytest.mark.usefixtures("ray_session")
def test_a_store_that_cannot_be_read_stops_the_sweep(
    models: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def plan(reference: str, settings: SweepSettings, objects: Objects) -> ModelPlan:
        raise StoreError("the store is gone")

    monkeypatch.setattr(planner_module, "plan_model", plan)
    references = [f"org/model-{number}" for number in range(30)]
    result = run_sweep(sweep_settings(tmp_path / "store", references))
    assert [failure.reference for failure in result.failures] == references
    assert {failure.kind for failure in result.failures} == {"store"}
    said = {failure.message.partition(": ")[2] for failure in result.failures}
    assert "the store is gone" in said
    assert said <= {"the store is gone", "not done: the store is gone"}


def test_models_planned_beside_a_store_failure_are_failures_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None is handed out any more, and none is forgotten."""

    def plan(reference: str, settings: SweepSettings, objects: Objects) -> ModelPlan:
        if reference == "org/one":
            raise StoreError("the store is gone")
        publishing = Publishing(Partition(reference, "0" * 40, "paper"), (), {}, {})
        return ModelPlan(reference, publishing, (), (), 0, 0, False)

    monkeypatch.setattr(planner_module, "plan_model", plan)
    planner = planner_of(tmp_path, ["org/one", "org/two"])
    found: list[Planned] = []
    while not planner.is_over:
        found += planner.take(_PATIENCE_SECONDS)
    found.sort(key=lambda each: each.reference)
    monkeypatch.setattr(planner, "take", lambda seconds: found)
    with stopping() as stop:
        driver = Driver(
            ClusterSettings(),
            planner,
            hire=lambda wait: pytest.fail("workers are hired"),
            is_intact=lambda plan: True,
            when_planned=lambda driver: None,
            progress=Progress(2),
            stop=stop,
        )
        driver._take_plans(0)
    assert {reference: failure.message for reference, failure in driver.ledger.failures.items()} == {
        "org/one": "org/one: the store is gone",
        "org/two": "org/two: not done: the store is gone",
    }


def planner_of(folder: Path, references: list[str]) -> Planner:
    settings = sweep_settings(folder / "store", references)
    return Planner(settings, open_objects(settings.store))
