"""One command, three ways to run it: on Ray of its own, on a cluster that runs already, and submitted to it."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.checkpoints.tiny import tiny_checkpoint
from tests.cluster.nodes import RayNodes, ray_nodes
from tests.cluster.sweeping import assert_sound, published_files

pytestmark = pytest.mark.slow

_SECONDS = 120

Way = Callable[[list[str]], "subprocess.CompletedProcess[str]"]


def _run(command: list[str], environment: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_SECONDS)


def _without_ray() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}


def _ways(cluster: RayNodes) -> dict[str, Way]:
    """Every way adds to the environment, or to what stands before the command, and leaves the command alone."""
    outside = _without_ray()
    inside = {**outside, **cluster.environment}
    submit = [str(Path(sys.executable).with_name("ray")), "job", "submit", "--address", cluster.dashboard, "--"]
    return {
        "local": lambda command: _run(command, {**outside, "RAY_ADDRESS": "local"}),
        "cluster": lambda command: _run(command, {**inside, "RAY_ADDRESS": cluster.address}),
        "submitted": lambda command: _run([*submit, *command], inside),
    }


def test_the_same_command_in_three_ways(tmp_path: Path) -> None:
    models = [tmp_path / name for name in ("first", "second")]
    for seed, model in enumerate(models):
        tiny_checkpoint(model, "llama", seed=seed)
    store = tmp_path / "store"

    def command(refs: list[Path]) -> list[str]:
        refs_override = f"models.refs=[{','.join(map(str, refs))}]"
        return [sys.executable, "-m", "jobs.sweep", refs_override, f"store.url={store}", "cluster.workers=2"]

    files: dict[str, dict[str, bytes]] = {}
    with ray_nodes(2, dashboard=True) as cluster:
        for way, run in _ways(cluster).items():
            whole = run(command(models))
            assert whole.returncode == 0, f"{way}: {whole.stdout}{whole.stderr}"
            starts_its_own = "starting Ray on this machine" in whole.stdout + whole.stderr
            assert starts_its_own == (way == "local")
            if way == "submitted":
                lacking = run(command([*models, tmp_path / "missing"]))
                assert lacking.returncode == 1, f"{way}: {lacking.stdout}{lacking.stderr}"
                assert f"FAILED {tmp_path / 'missing'}" in lacking.stdout + lacking.stderr
                assert "' succeeded" in whole.stdout
                assert "' failed" in lacking.stdout
            assert_sound(store, len(models))
            kept = store.rename(tmp_path / way)
            files[way] = published_files(kept)

    assert len(files["local"]) == 3 * len(models)
    for way in ("cluster", "submitted"):
        _assert_equal(tmp_path, files, way)


def _assert_equal(parent: Path, files: Mapping[str, Mapping[str, bytes]], way: str) -> None:
    """Byte for byte, but for the seconds that it took."""
    assert files[way].keys() == files["local"].keys()
    for key, body in files["local"].items():
        if key.startswith("models/"):
            mine, other = (pq.read_table(parent / each / key).drop("seconds") for each in ("local", way))
            assert mine.equals(other), f"{way}: {key}"
        else:
            assert files[way][key] == body, f"{way}: {key}"
