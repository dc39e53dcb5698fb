"""What becomes of units whose worker dies, whose network falters, whose store is gone: through real Ray."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gated_ray.cluster import pool, tasks, units
from gated_ray.cluster import sweep as sweep_module
from gated_ray.cluster.pool import Pool
from gated_ray.cluster.result import SweepResult
from gated_ray.cluster.sweep import run_sweep
from gated_ray.store.keys import manifest_folder
from tests.checkpoints.tiny import tiny_checkpoint
from tests.cluster.faults import (
    ActorThatCannotStart,
    ActorThatCrashesAtStart,
    Script,
    ScriptedActor,
    in_hand,
    tries,
    write_script,
)
from tests.cluster.sweeping import assert_sound, sweep_settings

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray_session")]

LAYERS = 4
NAMES = ("alder", "birch", "cedar", "elm", "fir", "hazel")

Sweep = Callable[..., SweepResult]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Equal models under different names, four units each."""
    parent = tmp_path_factory.mktemp("trees")
    for seed, name in enumerate(NAMES):
        tiny_checkpoint(parent / name, "llama", seed=seed, num_hidden_layers=LAYERS)
    return {name: parent / name for name in NAMES}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def sweep(models: dict[str, Path], store: Path, monkeypatch: pytest.MonkeyPatch) -> Sweep:
    """Sweep some of the models with workers that fail as a script says, with short pauses."""
    monkeypatch.setattr(tasks, "_FIRST_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(pool, "_REST_SECONDS", 0.1)

    def run(names: tuple[str, ...], script: Script, actor: Any = ScriptedActor, **options: Any) -> SweepResult:
        write_script(store, script)
        monkeypatch.setattr(sweep_module, "Pool", partial(Pool, actor_class=actor))
        return run_sweep(sweep_settings(store, [models[name] for name in names], **options))

    return run


def reported(result: SweepResult) -> dict[str, str]:
    """The message of each model that failed, without the model."""
    by_name = {Path(failure.reference).name: failure for failure in result.failures}
    assert len(by_name) == len(result.failures)
    return {name: failure.message.removeprefix(f"{failure.reference}: ") for name, failure in by_name.items()}


def committed(store: Path, result: SweepResult, name: str) -> list[int]:
    """Layers of a model that have a manifest."""
    (model,) = (model for model in result.models if model.partition.model == name)
    folder = store / manifest_folder(model.partition)
    return sorted(int(path.name[:5]) for path in folder.glob("0*.json"))


def is_published(store: Path, name: str) -> bool:
    return any((store / "models").glob(f"model={name}/**/*.parquet"))


def test_every_fault_costs_only_its_own_model(sweep: Sweep, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script: Script = {
        "alder": {"2": ["killed", "..."]},
        "birch": {"0": ["transient"], "publish": ["damage a unit"]},
        "cedar": {"1": ["input"]},
        "elm": {"3": ["bug"]},
        "fir": {"0": ["exit"], "1": ["killed"]},
    }
    result = sweep(NAMES, script, max_attempts=2)

    assert reported(result) == {
        "alder": "layer 2 (mlp): its worker died (out of memory?), 2 times",
        "cedar": "layer 1 (mlp): the shard changed",
        "elm": "layer 3 (mlp): internal error (ValueError: nobody foresaw this); please report it",
    }
    assert {name for name in NAMES if is_published(store, name)} == {"birch", "fir", "hazel"}
    assert committed(store, result, "alder") == [0, 1, 3]
    printed = capsys.readouterr()
    failures = [line for line in printed.err.splitlines() if line.startswith("FAILED ")]
    assert failures == [f"FAILED {failure.message}" for failure in result.failures]
    assert "Traceback" not in printed.err
    assert "3 models, 768 neurons, 3 failures" in printed.out

    tried = tries(store)
    assert tried["cedar/1"] == tried["elm/3"] == 1, "what cannot pass was tried again"
    assert tried["alder/2"] in (2, 3), "tried twice, not counting a try beside another unit"
    assert tried["birch/0"] == 2
    assert tried["birch/1"] == 2, "the damaged unit was not done again"
    assert tried["birch/2"] == 1
    assert tried["birch/publish"] == 2

    again = sweep(NAMES, {})
    assert {model.partition.model: model.units_left for model in again.models if model.units_left} == {
        "alder": 1,
        "cedar": 1,
        "elm": 1,
    }
    retried = {place: count for place, count in tries(store).items() if "publish" not in place}
    assert {place for place in retried if retried[place] > tried[place]} == {"alder/2", "cedar/1", "elm/3"}
    assert again.failures == ()
    assert_sound(store, len(NAMES))


def test_the_innocent_beside_a_poison_unit_is_not_blamed(sweep: Sweep, store: Path) -> None:
    script: Script = {
        "alder": {"0": ["killed beside another", "killed"], "1": ["beside one that is killed"]},
    }
    result = sweep(("alder",), script, workers=1, max_attempts=1)
    assert reported(result) == {"alder": "layer 0 (mlp): its worker died (out of memory?)"}
    assert committed(store, result, "alder") == [1, 2, 3]
    assert tries(store) == {"alder/0": 2, "alder/1": 2, "alder/2": 1, "alder/3": 1}
    assert in_hand(store, "alder/0")[-1] == in_hand(store, "alder/1")[-1] == 1


def test_a_worker_that_neither_dies_nor_answers_is_restarted(
    sweep: Sweep, store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(units, "_MOST_SECONDS", 8.0)
    result = sweep(("alder",), {"alder": {"2": ["stuck"]}}, workers=1)
    assert result.failures == ()
    assert tries(store)["alder/2"] == 2
    assert "layer 2 (mlp): no answer for 0 minutes; its worker is restarted" in capsys.readouterr().err
    assert_sound(store, 1)


def test_a_store_that_is_gone_stops_the_sweep(sweep: Sweep, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = sweep(("alder", "birch", "cedar"), {"alder": {"0": ["store"]}}, workers=1)
    assert reported(result) == {
        "alder": "layer 0 (mlp): the store is full (and 2 more of its units)",
        "birch": "layer 0 (mlp): not done: the store is full (and 3 more of its units)",
        "cedar": "layer 0 (mlp): not done: the store is full (and 3 more of its units)",
    }
    assert tries(store).total() == 2, "units were handed out after the stop"
    assert not any(is_published(store, name) for name in NAMES)
    assert "0 models, 0 neurons, 3 failures" in capsys.readouterr().out


def test_units_that_come_back_damaged_for_ever_are_given_up(sweep: Sweep, store: Path) -> None:
    result = sweep(("alder",), {"alder": {"publish": ["damage a unit", "..."]}}, workers=1)
    assert reported(result)["alder"].startswith("publishing: ")
    assert "missing or damaged in the store" in reported(result)["alder"]
    assert tries(store)["alder/publish"] == 3
    assert not is_published(store, "alder")


def test_workers_that_cannot_start(sweep: Sweep, capsys: pytest.CaptureFixture[str]) -> None:
    result = sweep(("alder", "birch"), {}, ActorThatCannotStart, workers=1)
    why = "no worker keeps running: ValueError: no such library here"
    assert reported(result) == dict.fromkeys(
        ("alder", "birch"), f"layer 0 (mlp): not done: {why} (and 3 more of its units)"
    )
    assert "a worker was given up, 0 are left: ValueError: no such library here" in capsys.readouterr().err


def test_workers_that_crash_while_they_start(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray restarts such an actor for ever."""
    monkeypatch.setattr(pool, "_PROBE_SECONDS", 4.0)
    monkeypatch.setattr(pool, "_MOST_DOWN_SECONDS", 2.0)
    result = sweep(("alder",), {}, ActorThatCrashesAtStart, workers=1)
    assert "not done: no worker keeps running: " in reported(result)["alder"]


def test_tracebacks_are_for_debugging(sweep: Sweep, capsys: pytest.CaptureFixture[str]) -> None:
    sweep(("elm",), {"elm": {"3": ["bug"]}}, workers=1, debug=True)
    printed = capsys.readouterr().err
    assert "Traceback (most recent call last)" in printed
    assert "raise error\nValueError: nobody foresaw\nthis" in printed
