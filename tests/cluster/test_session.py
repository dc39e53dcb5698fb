"""Starting Ray, joining one, and workers that do not come."""

import pytest
import ray

from gated_ray.cluster import pool as pool_module
from gated_ray.cluster.pool import Pool
from gated_ray.cluster.session import connect, ray_address
from gated_ray.errors import InputError
from gated_ray.settings import ClusterSettings, SweepSettings


def test_no_cluster_to_join(monkeypatch: pytest.MonkeyPatch) -> None:
    """A real look for one would find whatever Ray runs on this machine."""

    def find_none(**_: object) -> None:
        raise ConnectionError("Could not find any running Ray instance.")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", find_none)
    with pytest.raises(InputError, match=r"cluster\.address=auto: no Ray cluster there .*cluster=local"):
        connect("auto", print)


def test_what_answers_and_is_no_ray_to_join(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise RuntimeError("Failed to get cluster ID from GCS server\nat 10.0.0.1")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", refuse)
    with pytest.raises(InputError, match=r"no Ray cluster there \(Failed to get .* server at 10\.0\.0\.1\); submit"):
        connect("10.0.0.1:6379", print)


@pytest.mark.parametrize(
    ("setting", "environment", "address"),
    [
        (None, None, "local"),
        (None, "head:6379", "head:6379"),
        (None, "local", "local"),
        ("auto", None, "auto"),
        ("auto", "head:6379", "head:6379"),
        ("auto", "local", "local"),
        ("local", "head:6379", "local"),
        ("other:6379", "head:6379", "other:6379"),
    ],
)
def test_what_a_job_was_submitted_with_goes_before_the_default(
    monkeypatch: pytest.MonkeyPatch, setting: str | None, environment: str | None, address: str
) -> None:
    monkeypatch.delenv("RAY_ADDRESS")
    if environment is not None:
        monkeypatch.setenv("RAY_ADDRESS", environment)
    assert ray_address(setting) == address


@pytest.mark.slow
@pytest.mark.usefixtures("ray_session")
def test_a_ray_that_runs_already_is_used_and_left_running() -> None:
    assert connect("local", print) is False
    assert ray.is_initialized()


@pytest.mark.slow
@pytest.mark.usefixtures("ray_session")
def test_workers_that_do_not_come_are_missed_aloud(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a cluster whose nodes are too small or not there yet."""
    monkeypatch.setattr(pool_module, "_SAY_EVERY_SECONDS", 0.1)
    settings = SweepSettings(cluster=ClusterSettings(address="head:6379", cpus_per_worker=1000, gpus_per_worker=0.0))
    pool = Pool(settings, memory=0, tasks=1)
    try:
        ready, _ = ray.wait(list(pool.probes()), timeout=0.5)
        assert ready == []
        assert [notice.split(";")[0] for notice in pool.notices()] == ["still waiting for a worker to start"]
        assert pool.notices() == []
    finally:
        pool.close()
