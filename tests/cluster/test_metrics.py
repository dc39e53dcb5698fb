"""A sweep in Ray's metrics, read where Prometheus would read them."""

import json
import os
import re
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable

import pytest

from gated_ray.cluster import metrics, progress
from gated_ray.cluster.events import emit
from gated_ray.cluster.metrics import SweepMetrics

Numbers = dict[str, float]
WAIT_SECONDS = 20
_SAMPLE = re.compile(r'ray_gated_ray_(?P<name>\w+)\{.*?(?:(?:state|phase)="(?P<label>\w+)")?\} (?P<value>\S+)')


class Recorder:
    """In the place of a counter or a gauge of Ray: what it was given."""

    def __init__(self, name: str, *_: object) -> None:
        self.name = name
        self.given: list[tuple[float, dict[str, str]]] = []

    def inc(self, value: float, tags: dict[str, str]) -> None:
        assert value > 0, "Ray raises"
        self.given.append((value, tags))

    def set(self, value: float) -> None:
        self.given.append((value, {}))


@pytest.fixture
def is_running(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether Ray runs, for the tests to change; its last element counts."""
    running = [False]
    monkeypatch.setattr(metrics, "Counter", Recorder)
    monkeypatch.setattr(metrics, "Gauge", Recorder)
    monkeypatch.setattr(metrics.ray, "is_initialized", lambda: running[-1])
    return running


def test_what_is_counted_before_ray_runs_is_handed_to_it_once(is_running: list[bool]) -> None:
    recorded = SweepMetrics()
    recorded.count_failed_model()
    recorded.refresh(0.5, 7)
    recorded.count_failed_model()
    recorded.refresh(0.5, 7)
    assert recorded._models.given == []
    assert recorded._speed.given == []
    is_running.append(True)
    recorded.refresh(0.5, 7)
    recorded.refresh(0.25, 6)
    assert recorded._models.given == [(2, {"state": "failed"})]
    assert recorded._speed.given == [(0.5, {}), (0.25, {})]
    assert recorded._units_left.given == [(7, {}), (6, {})]
    recorded.close()
    assert recorded._speed.given[-1] == recorded._units_left.given[-1] == (0, {})


def test_nothing_is_counted_as_nothing(is_running: list[bool]) -> None:
    is_running.append(True)
    recorded = SweepMetrics()
    recorded.count_failed(0)
    recorded.count_done(0)
    recorded.count_seconds({"reading": 0.0, "computing": 0.5})
    recorded.refresh(0, 0)
    assert recorded._units.given == [(1, {"state": "done"})]
    assert recorded._size.given == []
    assert recorded._seconds.given == [(0.5, {"phase": "computing"})]


def test_what_a_sweep_records(is_running: list[bool], capsys: pytest.CaptureFixture[str]) -> None:
    """Among it: a model fails once, however many of its units do."""
    is_running.append(True)
    sweep = progress.Progress(4, log="json")
    sweep.not_planned("org/none: no such repository")
    sweep.planned("org/first", 10, 100)
    for layer in range(3):
        sweep.failed(f"org/first: layer {layer}: gone", 1, 10, model="org/first")
    sweep.failed("org/second: publication: gone", 0, 0, model="org/second")
    sweep.done(10, {})
    sweep.published("org/third", {"publishing": 0.5})
    sweep.refresh()
    sweep.close()
    capsys.readouterr()
    assert sweep._metrics._models.given == [(3, {"state": "failed"}), (1, {"state": "published"})]
    assert sweep._metrics._units.given == [(3, {"state": "failed"}), (1, {"state": "done"})]
    assert sweep._metrics._seconds.given == [(0.5, {"phase": "publishing"})]
    assert [value for value, _ in sweep._metrics._units_left.given] == [6, 0]


def test_metrics_without_ray_are_silent(capfd: pytest.CaptureFixture[str]) -> None:
    """The real ones: no Ray need run, in this process or at all."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            recorded = SweepMetrics()
            recorded.count_done(1)
            recorded.count_seconds({"reading": 1.0})
            recorded.refresh(1.0, 1)
            recorded.close()
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_a_sweep_can_be_watched_over_http() -> None:
    """In a process of its own, because Ray reports every ten seconds unless it is told otherwise when it starts."""
    done = subprocess.run(
        [sys.executable, "-m", __name__],
        env={**os.environ, "RAY_AUTH_TOKEN": secrets.token_hex(32), "PYTHONUNBUFFERED": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "metric" not in done.stderr.lower(), "no complaints about what is recorded before Ray runs, or twice"
    during, between, after = (
        event["numbers"] for event in map(json.loads, done.stdout.splitlines()) if event["event"] == "scraped"
    )
    speed = during.pop("gigabytes_per_second")
    assert 0 < speed < 0.3, "300 MB in more than a second"
    first = {
        "units_total done": 3,
        "units_total failed": 2,
        "models_total failed": 2,
        "bytes_read_total": 300e6,
        "seconds_total reading": 3.75,
        "seconds_total computing": 7.5,
    }
    assert during == first | {"units_left": 5}
    first |= {"models_total published": 1, "seconds_total committing": 0.25}
    assert between == first | {"units_left": 0, "gigabytes_per_second": 0}
    assert after == between | {"units_total done": 4, "bytes_read_total": 400e6, "models_total published": 2}, (
        "added up"
    )


def two_sweeps() -> None:
    """What the test above runs: scripted sweeps in one Ray, and what its metrics say in between."""
    first = progress.Progress(2, log="json")
    first.not_planned("org/none: no such repository")
    first.refresh()

    import ray

    ray.init(
        address="local",
        num_cpus=1,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        object_store_memory=128 << 20,
        _system_config={"metrics_report_interval_ms": 1000},
    )
    port = ray.nodes()[0]["MetricsExportPort"]
    first.planned("org/first", 10, 1_000_000_000)
    for _ in range(3):
        first.done(100_000_000, {"reading": 1.25, "computing": 2.5, "committing": 0.0})
    first.failed("org/first: layer 3: gone", 2, 200_000_000, model="org/first")
    _look_until(port, lambda numbers: len(numbers) == 8, first.refresh)
    first.published("org/first", {"committing": 0.25})
    first.close()
    _look_until(
        port, lambda numbers: len(numbers) == 10 and numbers["units_left"] == numbers["gigabytes_per_second"] == 0
    )
    second = progress.Progress(1, log="json")
    second.planned("org/second", 1, 100_000_000)
    second.done(100_000_000, {})
    second.published("org/second")
    second.close()
    _look_until(
        port, lambda numbers: numbers.get("models_total published") == 2 and numbers["bytes_read_total"] > 300e6
    )
    ray.shutdown()


def _look_until(port: int, found: Callable[[Numbers], bool], meanwhile: Callable[[], None] = lambda: None) -> None:
    """Look a few times a second, as a sweep refreshes, and say what was seen when it is found or the time is over."""
    numbers: Numbers = {}
    until = time.monotonic() + WAIT_SECONDS
    while not found(numbers) and time.monotonic() < until:
        meanwhile()
        time.sleep(0.25)
        numbers = _scraped(port)
    emit("scraped", numbers=numbers)


def _scraped(port: int) -> Numbers:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
    except urllib.error.URLError:  # Ray's agent is not there yet
        return {}
    return {" ".join(filter(None, (name, label))): float(value) for name, label, value in _SAMPLE.findall(text)}


if __name__ == "__main__":
    two_sweeps()
