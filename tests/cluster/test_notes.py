"""What a sweep says about how it understood the models: in the plan, in the summary, and of a file of rules for nothing."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from gated_ray.architectures.evidence import CAVEAT_BY_NAMES
from gated_ray.cluster import driving
from gated_ray.cluster.sweep import run_sweep
from gated_ray.cluster.worker import Worker
from gated_ray.errors import InputError
from gated_ray.settings import ArchitecturesSettings, SweepSettings
from gated_ray.store.objects import open_objects
from tests.checkpoints.sound import set_config, sound_checkpoint
from tests.cluster.planning import make_plan
from tests.cluster.sweeping import QUICK, sweep_settings

BY_NAMES = f"read by the names of its tensors (model_type osprey); {CAVEAT_BY_NAMES}"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SweepSettings:
    """Of a listed model and one whose type nobody knows, and without Ray."""

    def refuse(*_: object) -> None:
        raise AssertionError("Ray was asked for")

    monkeypatch.setattr(driving, "connect", refuse)
    unlisted = sound_checkpoint(tmp_path / "unlisted")
    set_config(unlisted, model_type="osprey")
    return sweep_settings(tmp_path / "store", [sound_checkpoint(tmp_path / "listed"), unlisted], dry_run=True)


def with_types(settings: SweepSettings, folder: Path, *types: str, caveat: str = "") -> SweepSettings:
    file = folder / "rules.toml"
    file.write_text(f'[[family]]\ntypes = {list(types)}\ncaveat = "{caveat}"\n')
    return replace(settings, architectures=ArchitecturesSettings(extra=str(file)))


def publish_all(settings: SweepSettings) -> None:
    worker = Worker(settings.store, QUICK, threads=1)
    for model in make_plan(settings, open_objects(settings.store)).models:
        assert [worker.measure(unit).error for unit in model.units] == [None] * len(model.units)
        assert worker.publish(model.publishing).error is None


def notes(printed: str) -> list[str]:
    return [line for line in printed.splitlines() if line.startswith(("listed: ", "unlisted: "))]


def test_the_plan_says_which_models_were_read_by_names(
    settings: SweepSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    run_sweep(settings)
    printed = capsys.readouterr()
    assert notes(printed.out) == [f"unlisted: {BY_NAMES}"]
    assert printed.err == ""


def test_the_summary_says_it_again(settings: SweepSettings, capsys: pytest.CaptureFixture[str]) -> None:
    publish_all(settings)
    run_sweep(replace(settings, dry_run=False))
    printed = capsys.readouterr().out
    assert notes(printed) == [f"unlisted: {BY_NAMES}"]
    assert "2 models, 176 neurons, 0 failures" in printed


def test_a_caveat_of_a_rule_is_said_in_one_line(
    settings: SweepSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    caveat = "the block reads a stream [of several] :100: that this profile does not show " * 3
    run_sweep(with_types(settings, tmp_path, "llama", "osprey", caveat=caveat))
    printed = capsys.readouterr()
    assert [line.rstrip() for line in notes(printed.out)] == [
        f"{name}: {caveat}".rstrip() for name in ("listed", "unlisted")
    ]
    assert printed.err == ""


def test_a_file_of_rules_that_no_model_uses_is_named_with_its_types(
    settings: SweepSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = f"architectures.extra={tmp_path / 'rules.toml'}"
    run_sweep(with_types(settings, tmp_path, "opsrey", "heron"))
    said = f"{file}: none of these models is of heron, opsrey, the types that it describes"
    assert capsys.readouterr().err.splitlines() == [said]

    absent = tmp_path / "absent"
    more = replace(settings, models=replace(settings.models, refs=[*settings.models.refs, str(absent)]))
    run_sweep(with_types(more, tmp_path, "opsrey"))
    said = f"{file}: none of the models that could be read is of opsrey, the type that it describes"
    assert capsys.readouterr().err.splitlines() == [said, f"FAILED {absent}: no such folder"]


def test_a_file_that_is_no_rules_is_one_error(settings: SweepSettings, tmp_path: Path) -> None:
    wrong = replace(settings, architectures=ArchitecturesSettings(extra=str(tmp_path / "absent.toml")), dry_run=False)
    with pytest.raises(InputError, match=r"architectures\.extra=.*absent\.toml: No such file"):
        run_sweep(wrong)
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("columns", [100, 60])
def test_the_summary_fits_the_window_or_is_not_cut(
    columns: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "a-model-whose-name-has-sixty-letters-".ljust(60, "x")
    settings = sweep_settings(tmp_path / "store", [sound_checkpoint(tmp_path / name)])
    publish_all(settings)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(columns))
    run_sweep(settings)
    table = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out).partition("enr enrichment")[0]
    assert "…" not in table
    assert max(len(line.rstrip()) for line in table.splitlines()) <= 100
    for head in ("neurons", "enr", "~c.", "prop", "orth", "dep", "cos", "GB"):
        assert head in table
