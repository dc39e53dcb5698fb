"""What a sweep would do, before it does anything."""

from pathlib import Path

import pytest
import ray

from gated_ray.architectures.finding import Architecture
from gated_ray.cluster import driving
from gated_ray.cluster import plan as plan_module
from gated_ray.cluster.sweep import run_sweep
from gated_ray.cluster.worker import Worker
from gated_ray.errors import InputError
from gated_ray.sources.checkpoint import Checkpoint
from gated_ray.store.objects import open_objects
from tests.checkpoints.sound import D_MLP, LAYERS, sound_checkpoint
from tests.cluster.planning import make_plan
from tests.cluster.sweeping import QUICK, sweep_settings


@pytest.fixture
def no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("Ray was asked for")

    monkeypatch.setattr(driving, "connect", refuse)
    monkeypatch.setattr(ray, "init", refuse)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return sound_checkpoint(tmp_path / "sound [model]:100:")


@pytest.mark.usefixtures("no_ray")
def test_a_dry_run_prints_the_plan_and_writes_nothing(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(tmp_path.rglob("*"))
    result = run_sweep(sweep_settings(tmp_path / "store", [model, tmp_path / "absent"], dry_run=True))
    assert sorted(tmp_path.rglob("*")) == before
    assert result.units_done == 0
    printed = capsys.readouterr()
    (row,) = (line.split() for line in printed.out.splitlines() if model.name in line)
    gigabytes = 3 * LAYERS * D_MLP * 32 * 2 / 1e9 + LAYERS * 32 * 2 / 1e9
    assert row[3:] == ["llama", str(LAYERS), str(LAYERS * D_MLP), f"{gigabytes:.3f}", "2", "2", f"{gigabytes:.3f}"]
    assert "1 model, 2 units to do, 0.000 GB to read, 1 model cannot be read" in printed.out
    assert printed.err.splitlines() == [f"FAILED {tmp_path / 'absent'}: no such folder"]


@pytest.mark.usefixtures("no_ray")
def test_a_sweep_of_nothing_but_bad_models_starts_no_ray(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = run_sweep(sweep_settings(tmp_path / "store", [tmp_path / "absent"]))
    assert [failure.reference for failure in result.failures] == [str(tmp_path / "absent")]
    assert "0 models, 0 neurons, 1 failure," in capsys.readouterr().out


def test_the_same_model_asked_for_twice_is_planned_once(model: Path, tmp_path: Path) -> None:
    settings = sweep_settings(tmp_path / "store", [model, f"{model}/", model, f"{model}/../{model.name}"])
    plan = make_plan(settings, open_objects(settings.store))
    assert len(plan.models) == 1
    assert plan.failures == ()


def test_a_bug_in_reading_one_model_does_not_stop_the_others(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = sound_checkpoint(tmp_path / "other")
    find_architecture = plan_module.find_architecture

    def stumble(checkpoint: Checkpoint, extra: str | None) -> Architecture:
        if checkpoint.name == "other":
            raise KeyError("what\nnobody foresaw")
        return find_architecture(checkpoint, extra)

    monkeypatch.setattr(plan_module, "find_architecture", stumble)
    settings = sweep_settings(tmp_path / "store", [other, model])
    plan = make_plan(settings, open_objects(settings.store))
    assert [each.partition.model for each in plan.models] == [model.name]
    (failure,) = plan.failures
    assert failure.message == rf"{other}: internal error (KeyError: 'what\nnobody foresaw'); please report it"
    assert "Traceback" in failure.traceback


def test_what_is_in_the_store_is_subtracted(model: Path, tmp_path: Path) -> None:
    settings = sweep_settings(tmp_path / "store", [model])
    objects = open_objects(settings.store)
    (before,) = make_plan(settings, objects).models
    assert before.remaining == before.units
    assert len(before.units) == LAYERS
    worker = Worker(settings.store, QUICK, threads=1)

    assert worker.measure(before.units[0]).error is None
    (half,) = make_plan(settings, objects).models
    assert (half.remaining, half.is_published) == (before.units[1:], False)

    assert worker.measure(before.units[1]).error is None
    (ready,) = make_plan(settings, objects).models
    assert (ready.remaining, ready.is_published) == ((), False)

    assert worker.publish(before.publishing).error is None
    (done,) = make_plan(settings, objects).models
    assert (done.remaining, done.is_published) == ((), True)


def test_no_models(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"set 'models\.refs="):
        run_sweep(sweep_settings(tmp_path / "store", []))
    assert list(tmp_path.iterdir()) == []
