"""Help, composed configs, and that ``conf/`` says what the settings say."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from gated_ray.reports.published_tables import models as published_models
from gated_ray.reports.published_tables import published_name
from gated_ray.settings import (
    ActivationsSettings,
    CompareSettings,
    ExportSettings,
    ReportSettings,
    SweepSettings,
    TokensSettings,
    VerifySettings,
)
from tests.jobs.running import call_job

JOBS = {
    "sweep": SweepSettings,
    "verify": VerifySettings,
    "report": ReportSettings,
    "compare": CompareSettings,
    "tokens": TokensSettings,
    "activations": ActivationsSettings,
    "export": ExportSettings,
}
CONF = Path(__file__).parent.parent.parent / "conf"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing depends on the working directory."""
    monkeypatch.chdir(tmp_path)


def composed(capsys: pytest.CaptureFixture[str], job: str, *overrides: str) -> Any:
    assert call_job(job, *overrides, "--cfg", "job") == 0
    return yaml.safe_load(capsys.readouterr().out)


@pytest.mark.parametrize("job", JOBS)
def test_help(job: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call_job(job, "--help") == 0
    printed = capsys.readouterr()
    assert "store: local, s3" in printed.out
    assert "url: ./results" in printed.out
    assert printed.err == ""


@pytest.mark.parametrize("job", JOBS)
def test_configs_repeat_the_defaults_of_the_settings(
    job: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert composed(capsys, job) == asdict(JOBS[job]())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("models", ["none", "demo", "paper", "paper_plain"])
@pytest.mark.parametrize("store", ["local", "s3"])
def test_groups_compose(models: str, store: str, capsys: pytest.CaptureFixture[str]) -> None:
    for cluster in ("local", "cluster"):
        config = composed(capsys, "sweep", f"models={models}", f"store={store}", f"cluster={cluster}")
        assert bool(config["models"]["refs"]) == (models != "none")
        assert config["store"]["url"] == {"local": "./results", "s3": ""}[store]
        assert config["cluster"]["address"] == {"local": None, "cluster": "auto"}[cluster]


def test_profiles_differ_in_name_and_weights_alone(capsys: pytest.CaptureFixture[str]) -> None:
    paper, residual = (composed(capsys, "sweep", f"profile={name}")["profile"] for name in ("paper", "residual"))
    assert residual == paper | {"name": "residual", "weights": "residual"}


@pytest.mark.parametrize(("group", "kind", "count"), [("paper", "gated", 12), ("paper_plain", "plain", 24)])
def test_the_papers_models(group: str, kind: str, count: int, capsys: pytest.CaptureFixture[str]) -> None:
    refs = composed(capsys, "sweep", f"models={group}")["models"]["refs"]
    assert len(refs) == count
    assert {published_name(ref) for ref in refs} == {name for name, of_kind in published_models() if of_kind == kind}


def test_the_demos_models_are_shipped_or_made(capsys: pytest.CaptureFixture[str]) -> None:
    refs = composed(capsys, "sweep", "models=demo")["models"]["refs"]
    shipped = [ref for ref in refs if ref.startswith("tests/data/")]
    assert len(shipped) == 3
    for ref in shipped:
        folder, _, step = ref.partition("@")
        assert (CONF.parent / folder / step / "config.json").is_file()
    assert set(refs) - set(shipped) == {"results/checkpoints/stand-in-llama-3.2-1b"}


def test_every_key_of_the_command_line_reaches_the_settings(
    capsys: pytest.CaptureFixture[str],
) -> None:
    refs = ["org/name", "org/name@refs/pr/7", "./folder", "/abs/folder@step", "s3://bucket/some/prefix"]
    config = composed(
        capsys, "sweep", f"models.refs=[{','.join(refs)}]", "store.url=s3://bucket/prefix", "dry_run=true"
    )
    assert config["models"]["refs"] == refs
    assert config["store"]["url"] == "s3://bucket/prefix"
    assert config["dry_run"] is True
