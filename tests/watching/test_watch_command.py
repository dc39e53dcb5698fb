"""``python -m jobs.watch``: what it prints, its exit code, and a watch that stays until it is stopped."""

import json
import signal
from pathlib import Path
from threading import Event

import pytest

from gated_ray.cluster.stopping import Stop
from gated_ray.errors import StoppedError
from gated_ray.watching.watch import run_watch
from tests.jobs.running import call_job, started_job
from tests.servers.hub_faults import always, on_cdn, on_resolve, refuse
from tests.servers.hub_log import Request
from tests.watching.watching import FOLDER, World, noted


def watch(world: World, *overrides: str) -> int:
    given = ("watch.authors=[org]", f"store.url={world.store.url}", "profile.regions=none")
    return call_job("watch", *given, *overrides)


@pytest.mark.usefixtures("sweeps_alone")
def test_exit_codes(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """0 where nothing failed in this pass; what is refused, and what was given up before, is told and is no failure."""
    world.add("org/one")
    world.add("org/alien", world.alien)
    world.hub.faults.append(always(refuse(403), where=on_resolve))
    assert watch(world, "watch.attempts=1") == 1
    assert "FAILED: org/one" in capsys.readouterr().out
    assert watch(world, "watch.attempts=1") == 0
    printed = capsys.readouterr().out
    assert "given up: org/one" in printed
    assert "refused before: org/alien: holds no config.json" in printed
    world.hub.faults.clear()
    assert watch(world) == 0
    assert "swept: org/one" in capsys.readouterr().out


@pytest.mark.usefixtures("sweeps_alone")
def test_json_lines(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.add("org/alien", world.alien)
    assert watch(world, "log=json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (told,) = (line for line in lines if line["event"] == "watched")
    assert {key: value for key, value in told.items() if key not in ("time", "event")} == world.latest()


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["watch.authors=[]"], "error: the watch would list the whole Hub: set watch.authors, task"),
        (["watch.every=6"], "error: watch.every='6': give a number and a unit, as in 90s, 30m, 6h or 1d"),
        (["watch.newest=0"], "error: watch.newest=0: must be at least 1"),
        (["watch=unheard_of"], "choose one of base_models, newest, none"),
        (["architectures.extra=none.toml"], "error: architectures.extra=none.toml: No such file"),
        (["log=xml"], "error: log='xml': choose one of text, json"),
    ],
)
def test_wrong_settings_are_one_line(
    world: World, overrides: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """At once, also where the watch was to stay."""
    every = [] if any("every" in override for override in overrides) else ["watch.every=1h"]
    assert watch(world, *every, *overrides) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line
    assert world.hub.log == []


def test_a_limit_may_be_written_as_people_write_it(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.add("org/large", world.large)
    assert watch(world, "watch.max_bytes=2e3", "dry_run=true") == 0
    assert "left out: 1 larger than watch.max_bytes (org/large)" in capsys.readouterr().out


@pytest.mark.parametrize("preset", ["base_models", "newest"])
def test_presets_list_what_they_say(world: World, preset: str, capsys: pytest.CaptureFixture[str]) -> None:
    facts = {"downloads": 20_000, "pipeline_tag": "text-generation", "library": "transformers"}
    world.add("one/model", **facts)
    world.add("two/model-GGUF", **facts)
    world.add("three/pictures", **facts | {"pipeline_tag": "image-to-image"})
    arguments = (f"watch={preset}", f"store.url={world.store.url}", "dry_run=true")
    assert call_job("watch", *arguments) == 0
    printed = capsys.readouterr().out
    assert f"Watch {preset}, profile paper: 1 model listed" in printed
    assert "would sweep: one/model" in printed
    assert "left out: 1 in watch.deny (two/model-GGUF)" in printed


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_between_two_passes(world: World, number: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    def wait(self: Stop, seconds: float) -> bool:
        waited.append(seconds)
        signal.raise_signal(number)
        return self.asked

    monkeypatch.setattr(Stop, "wait", wait)
    with pytest.raises(StoppedError, match="between two passes") as raised:
        run_watch(world.settings(every="1h"))
    assert raised.value.signal_number == number
    assert 3500 < waited[0] < 3600


@pytest.mark.slow
def test_a_watch_that_stays(world: World, tmp_path: Path) -> None:
    """Pass after pass, whether or not one fails, until a signal ends it between two of them at once."""
    world.add("org/alien", world.alien)
    overrides = ("watch.authors=[org]", f"store.url={world.store.url}", "watch.every=1s")
    with started_job("watch", *overrides, cwd=tmp_path) as job:
        job.wait_until(lambda: noted("org/alien", "refused") in world.notes())
        world.hub.faults.append(always(refuse(400), where=lambda request: request.path == "/api/models"))
        job.wait_until(lambda: "error: models of org" in job.output.read_text())
        world.hub.faults.clear()
        world.add("org/alien", world.alien, version=2)
        job.wait_until(lambda: noted("org/alien", "refused", version=2) in world.notes())
        done = len(world.keys(f"{FOLDER}passes/"))
        job.wait_until(lambda: len(world.keys(f"{FOLDER}passes/")) > done)
        job.process.send_signal(signal.SIGTERM)
        assert job.process.wait(30) == 128 + signal.SIGTERM
    assert "stopped by" in job.output.read_text()


@pytest.mark.slow
def test_sigterm_within_a_sweep(world: World, tmp_path: Path) -> None:
    """What was not reached is told, and the next pass does it."""
    world.add("org/one")
    world.add("org/alien", world.alien)
    reading, go_on = Event(), Event()

    def hold(request: Request) -> None:
        if on_cdn(request) and not (request.range or "").startswith("bytes=0-"):
            reading.set()
            go_on.wait(60)

    world.hub.faults.append(hold)
    overrides = ("watch.authors=[org]", f"store.url={world.store.url}", "profile.regions=none", "cluster.workers=1")
    try:
        with started_job("watch", *overrides, "cluster.grace_seconds=0", cwd=tmp_path) as job:
            job.wait_until(reading.is_set)
            job.process.send_signal(signal.SIGTERM)
            assert job.process.wait(60) == 128 + signal.SIGTERM
    finally:
        go_on.set()
    latest = world.latest()
    assert latest["stopped"]
    assert {entry["model"] for entry in latest["left"]} == {"org/one", "org/alien"}
    assert "not reached: org/one" in job.output.read_text()
    assert world.notes() == set()
