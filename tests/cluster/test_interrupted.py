"""A sweep that is interrupted, then terminated, then run again leaves what an uninterrupted one leaves."""

import os
import signal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from gated_ray.cluster.sweep import run_sweep
from tests.checkpoints.tiny import tiny_checkpoint
from tests.cluster.sweeping import assert_sound, published_files, sweep_settings
from tests.jobs.running import started_job

LAYERS = 60


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two models of so many units that there is time to stop in their midst."""
    parent = tmp_path_factory.mktemp("deep")
    for name in ("first", "second"):
        tiny_checkpoint(parent / name, "llama", num_hidden_layers=LAYERS)
    return [parent / "first", parent / "second"]


def manifests(store: Path) -> int:
    return sum(1 for _ in (store / "_units").glob("model=*/**/0*.json"))


def assert_says_what_is_left(printed: str, signal_name: str, models: list[Path], units: int) -> None:
    """Units in flight were finished: what is said to be left is what the store lacks."""
    assert "Traceback" not in printed
    assert "FAILED" not in printed
    assert [line for line in printed.splitlines() if line.startswith("LEFT ")] == [f"LEFT {model}" for model in models]
    last = printed.splitlines()[-1]
    assert last.startswith(f"stopped by {signal_name}: 2 models left with {units} units (")
    assert last.endswith("what is done is kept, run the same command again to go on")


@pytest.mark.slow
@pytest.mark.usefixtures("ray_session")
def test_interrupted_then_terminated_then_run_again(deep: list[Path], tmp_path: Path) -> None:
    store, undisturbed = tmp_path / "store", tmp_path / "undisturbed"
    overrides = [f"models.refs=[{','.join(map(str, deep))}]", f"store.url={store}", "profile.regions=none"]

    with started_job("sweep", *overrides, cwd=tmp_path) as job:
        job.wait_until(lambda: manifests(store) > 20)
        os.killpg(job.process.pid, signal.SIGINT)  # as a terminal does with Ctrl-C
        assert job.process.wait(60) == 130
    first = manifests(store)
    assert 20 < first < 2 * LAYERS
    assert_says_what_is_left(job.output.read_text(), "SIGINT", deep, 2 * LAYERS - first)

    with started_job("sweep", *overrides, cwd=tmp_path) as job:
        job.wait_until(lambda: manifests(store) > first + 10)
        job.process.terminate()  # as Kubernetes does with a pod that must go
        assert job.process.wait(60) == 143
    first = manifests(store)
    assert_says_what_is_left(job.output.read_text(), "SIGTERM", deep, 2 * LAYERS - first)

    rerun = run_sweep(sweep_settings(store, deep))
    assert rerun.failures == ()
    assert rerun.units_done == 2 * LAYERS - first
    assert_sound(store, 2)

    assert run_sweep(sweep_settings(undisturbed, deep)).failures == ()
    files, expected = published_files(store), published_files(undisturbed)
    assert files.keys() == expected.keys()
    for key in files:
        if key.startswith("models/"):
            rows = [pq.read_table(folder / key).drop("seconds") for folder in (store, undisturbed)]
            assert rows[0].equals(rows[1])
        else:
            assert files[key] == expected[key], key
