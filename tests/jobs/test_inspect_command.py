"""``python -m jobs.inspect``: what it prints, what it refuses, and what it costs on the largest checkpoint there is."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from gated_ray.inspection.layout import lines_of
from gated_ray.inspection.models import inspect_model
from gated_ray.settings import InspectSettings
from gated_ray.sources.folder import FolderOrigin
from tests.checkpoints.deepseek_v3 import D_EXPERT, D_MLP, D_MODEL, DENSE_LAYERS, EXPERTS, LAYERS, hollow_deepseek_v3
from tests.checkpoints.sound import D_MLP as SOUND_MLP
from tests.checkpoints.sound import set_config, sound_checkpoint
from tests.jobs.running import call_job

REPOSITORY = Path(__file__).parent.parent.parent

SETTINGS: dict[str, tuple[list[str], tuple[str, ...]]] = {
    "no models": ([], ("models.refs",)),
    "unknown key": (["models.rfes=[a/b]"], ("rfes",)),
    "unknown key at the top": (["retries=3"], ("retries",)),
    "unknown key, added": (["+architectures.more=x"], ("more",)),
    "a key of sweeps": (["store.url=x"], ("store",)),
    "no such format": (["models.refs=[./a]", "format=xml"], ("format='xml'", "table, json")),
    "out of range": (["models.refs=[./a]", "cluster.max_unit_bytes=0"], ("cluster.max_unit_bytes=0",)),
}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing depends on the working directory, and nothing is written to it."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    yield
    assert list(folder.iterdir()) == []


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return sound_checkpoint(tmp_path / "good [model]:100:")


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert call_job("inspect", "--help") == 0
    printed = capsys.readouterr()
    assert "models: demo, none, paper, paper_plain" in printed.out
    assert "format: table" in printed.out
    assert "extra: null" in printed.out
    assert printed.err == ""


def test_the_config_repeats_the_defaults_of_the_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert call_job("inspect", "--cfg", "job") == 0
    assert yaml.safe_load(capsys.readouterr().out) == asdict(InspectSettings())


@pytest.mark.parametrize("case", SETTINGS)
def test_settings_that_cannot_be_used(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    overrides, words = SETTINGS[case]
    assert call_job("inspect", *overrides) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith("error: ")
    for word in words:
        assert word in line


def test_a_bad_model_among_good_ones(good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = sound_checkpoint(tmp_path / "other")
    bad = sound_checkpoint(tmp_path / "bad")
    (bad / "config.json").write_text(json.dumps({"model_type": "axk2"}))
    refs = f"models.refs=['{good}',{bad},{tmp_path}/absent,{other},'{good}']"
    assert call_job("inspect", refs) == 1
    printed = capsys.readouterr()
    failures = printed.err.splitlines()
    assert [line.split(":")[0] for line in failures] == [f"FAILED {bad}", f"FAILED {tmp_path}/absent"]
    assert "'axk2' is not supported" in failures[0]
    lines = printed.out.splitlines()
    titles = [line for line in lines if ": read by " in line]
    assert titles == [f"{good}: read by the rules of llama", f"{other}: read by the rules of llama"]
    rows = [line for line in lines if ": layers 0-1, mlp, " in line]
    assert [row.partition(": layers")[0] for row in rows] == [str(good), str(other)]
    assert f"{SOUND_MLP} neurons, d_model 32, 0.000 GB; model.layers.N.mlp." in rows[0]
    assert "stored as BF16; reads " in rows[0]


@pytest.mark.parametrize("columns", [80, 120, 200])
def test_a_terminal_gets_lines_of_its_width(
    columns: int, good: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    set_config(good, model_type="tomorrow")
    assert call_job("inspect", f"models.refs=['{good}']") == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= columns
    assert lines == lines_of(inspect_model(str(good), InspectSettings()), columns)


def test_all_good_is_exit_code_0(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call_job("inspect", f"models.refs=['{good}']") == 0
    assert capsys.readouterr().err == ""


def test_one_json_object_a_model(good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call_job("inspect", f"models.refs=['{good}',{tmp_path}/absent]", "format=json") == 1
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["reference"] == str(good)
    assert (first["model_type"], first["rule"], first["resolved_by"]) == ("llama", "llama", "rules")
    assert first["left_out"] == []
    assert (first["blocks"], first["neurons"], first["units"]) == (2, 2 * SOUND_MLP, 2)
    (row,) = first["rows"]
    assert (row["layers"], row["component"], row["experts"], row["dtypes"]) == ([0, 1], "mlp", None, ["BF16"])
    assert row["gate"] == "model.layers.N.mlp.gate_proj.weight"
    assert row["pre_norm"] == {"tensor": "model.layers.N.post_attention_layernorm.weight", "kind": "w"}
    assert row["bytes"] == 2 * (3 * SOUND_MLP * 32 + 32) * 2 == first["bytes"] == 2 * first["largest_unit"]
    assert second == {"reference": f"{tmp_path}/absent", "error": f"{tmp_path}/absent: no such folder"}


def test_json_tells_the_type_of_the_model_from_that_of_its_backbone(
    good: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backbone = json.loads((good / "config.json").read_text())
    (good / "config.json").write_text(json.dumps({"model_type": "llava", "text_config": backbone}))
    assert call_job("inspect", f"models.refs=['{good}']", "format=json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["model_type"], found["rule"], found["resolved_by"]) == ("llava", "llama", "rules")


def test_a_model_type_that_is_not_listed(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    set_config(good, model_type="tomorrow", rms_norm_eps=1e-6)
    assert call_job("inspect", f"models.refs=['{good}']") == 0
    printed = capsys.readouterr().out
    assert "read by the names of its tensors, as model_type tomorrow has no rules" in printed
    assert "note: this model type is not listed: norms are taken to multiply by w" in printed


def test_a_file_of_rules(good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('[[family]]\ntypes = ["llama"]\ngain = "1+w"\n')
    assert call_job("inspect", f"models.refs=['{good}']", f"architectures.extra={rules}") == 0
    printed = capsys.readouterr().out
    assert "read by the rules of llama in architectures.extra" in printed
    assert "reads RMSNorm(x) * (1 + post_attention_layernorm.weight)" in printed


def test_a_broken_file_of_rules_is_named(good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('[[family]]\ntypes = ["llama"]\nnrom = "rms"\n')
    assert call_job("inspect", f"models.refs=['{good}']", f"architectures.extra={rules}") == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith(f"error: architectures.extra={rules}: ")
    assert "nrom" in line


def test_a_bug_in_reading_one_model_does_not_stop_the_others(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = sound_checkpoint(tmp_path / "other")
    files = FolderOrigin.files

    def stumble(origin: FolderOrigin) -> Any:
        if origin._folder == other:
            raise KeyError("what\nnobody foresaw")
        return files(origin)

    monkeypatch.setattr(FolderOrigin, "files", stumble)
    assert call_job("inspect", f"models.refs=[{other},'{good}']", "debug=true") == 1
    printed = capsys.readouterr()
    line, *rest = printed.err.splitlines()
    assert line == rf"FAILED {other}: internal error (KeyError: 'what\nnobody foresaw'); please report it"
    assert rest[0].startswith("Traceback")
    assert f"{good}: read by" in printed.out


def test_contents_are_not_digested(
    good: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> str:
        raise AssertionError("digested")

    monkeypatch.setattr(FolderOrigin, "content_digest", refuse)
    assert call_job("inspect", f"models.refs=['{good}']") == 0


@pytest.mark.slow
def test_deepseek_v3_takes_seconds_and_its_bodies_are_not_read(tmp_path: Path) -> None:
    """688 GB in 91,991 tensors; peak memory by VmHWM, because ``ru_maxrss`` of a child begins at its parent's."""
    folder = hollow_deepseek_v3(tmp_path / "DeepSeek-V3")
    assert sum(path.stat().st_size for path in folder.glob("*.safetensors")) > 688e9
    program = (
        "import runpy, sys\n"
        "sys.argv[0] = 'jobs.inspect'\n"
        "try:\n"
        "    runpy.run_module('jobs.inspect', run_name='__main__')\n"
        "finally:\n"
        "    sys.stderr.write(open('/proc/self/status').read() + open('/proc/self/io').read())\n"
    )
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", program, f"models.refs=[{folder}]", "format=json"],
        cwd=REPOSITORY,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    seconds = time.monotonic() - started
    assert done.returncode == 0, done.stderr
    process = dict(line.split(":", 1) for line in done.stderr.splitlines() if ":" in line)
    assert seconds < 30
    assert int(process["VmHWM"].split()[0]) * 1024 < 1e9
    assert int(process["rchar"]) < 200e6
    found = json.loads(done.stdout)
    assert found["left_out"] == [f"model.layers.{LAYERS}"]
    assert found["blocks"] == DENSE_LAYERS + (LAYERS - DENSE_LAYERS) * (EXPERTS + 1)
    assert found["largest_unit"] <= found["max_unit_bytes"] == 1 << 30
    facts = {"experts", "layers", "neurons", "d_model", "format", "dtypes"}
    rows = {row["component"]: {key: row[key] for key in facts} for row in found["rows"]}
    common = {"d_model": D_MODEL, "format": "fp8-block", "dtypes": ["F32", "F8_E4M3"]}
    dense, moe = list(range(DENSE_LAYERS)), list(range(DENSE_LAYERS, LAYERS))
    assert len(found["rows"]) == 3
    assert rows == {
        "mlp": common | {"experts": None, "layers": dense, "neurons": D_MLP},
        "expert": common | {"experts": EXPERTS, "layers": moe, "neurons": D_EXPERT},
        "shared_expert": common | {"experts": None, "layers": moe, "neurons": D_EXPERT},
    }
