"""The demo's stand-in: its table follows the published one, and writing it is repeatable and all or nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkpoints import demo
from tests.checkpoints.planted import published_table, scaled_table
from tests.checkpoints.reference import class_table, reference_geometry


def test_command_writes_the_stand_in_once(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.checkpoints.demo", str(tmp_path)]
    folder = tmp_path / "stand-in-llama-3.2-1b"
    first = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert first.stdout.split() == [str(folder), str(tmp_path / "docs.jsonl")]
    written = (folder / "model.safetensors").stat().st_mtime_ns
    assert demo.ensure_stand_in(tmp_path) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == written
    assert {path.name for path in tmp_path.iterdir()} == {folder.name, "docs.jsonl"}
    expected = scaled_table(published_table("meta-llama/Llama-3.2-1B"), 512)
    assert class_table(reference_geometry(folder)) == {
        (layer, "mlp"): {name: count for name, count in counts.items() if count} for layer, counts in expected.items()
    }


def test_is_deterministic(tmp_path: Path) -> None:
    one, two = (demo.ensure_stand_in(tmp_path / name) for name in ("one", "two"))
    assert (one / "model.safetensors").read_bytes() == (two / "model.safetensors").read_bytes()


def test_nothing_is_left_when_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(folder: Path, *_: object, **__: object) -> None:
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        raise OSError("disk full")

    monkeypatch.setattr(demo, "plant_checkpoint", fail)
    with pytest.raises(OSError, match="disk full"):
        demo.ensure_stand_in(tmp_path)
    assert list(tmp_path.iterdir()) == []
