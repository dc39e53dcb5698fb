"""How a pass ends: well, by a stop, as a dry run, or with an error; and what it leaves in the store."""

import re
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest

from gated_ray.cluster.failures import Failure
from gated_ray.cluster.result import SweepResult
from gated_ray.errors import InputError, StoppedError, StoreError
from gated_ray.settings import StoreSettings, SweepSettings
from gated_ray.store import bucket
from gated_ray.watching import passes
from gated_ray.watching.summary import Entry
from tests.servers.hub_faults import always, on_cdn, refuse
from tests.servers.s3 import S3Server
from tests.watching.alone import sweep_alone
from tests.watching.watching import FOLDER, World, commit_of, names, noted, refuse_sweeps

pytestmark = pytest.mark.usefixtures("sweeps_alone")


def test_the_summary_in_the_store(world: World) -> None:
    """Everything that was printed, under a name of its own and as the latest."""
    world.add("org/one")
    world.add("org/alien", world.alien)
    world.add("org/denied")
    for _ in range(2):
        world.watch(deny=["*/denied"])
    kept = [key for key in world.keys(FOLDER) if key.startswith(f"{FOLDER}passes/")]
    assert len(kept) == 2
    assert all(re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{8}\.json", key.rpartition("/")[2]) for key in kept)
    latest = world.latest()
    assert latest["listed"] == {name: commit_of(name) for name in ("org/one", "org/alien")}
    assert latest["left_out"] == {"deny": ["org/denied"]}
    assert latest["filters"]["deny"] == ["*/denied"]
    assert latest["filters"]["hub"] == world.hub.endpoint
    assert latest["unchanged"] == 1
    assert latest["refused_before"][0]["model"] == "org/alien"
    assert "holds no config.json" in latest["refused_before"][0]["reason"]
    assert (latest["stopped"], latest["dry_run"], latest["failed"]) == (False, False, [])


def test_reasons_outlive_a_lost_summary(world: World) -> None:
    world.add("org/alien", world.alien)
    refused = world.watch().refused
    passes.open_objects(world.store).delete(f"{FOLDER}latest.json")
    assert world.watch().refused_before == refused


def test_a_stop_after_the_last_unit_is_not_forgotten(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a watcher that repeats would sleep on."""
    world.add("org/one")
    late = StoppedError(signal.SIGTERM, "stopped by SIGTERM: after the last unit")
    monkeypatch.setattr(passes, "run_sweep", lambda settings: replace(sweep_alone(settings), stop=late))
    with pytest.raises(StoppedError, match="after the last unit"):
        world.watch()
    assert [entry["model"] for entry in world.latest()["swept"]] == ["org/one"]
    assert world.latest()["stopped"] is True


@pytest.mark.parametrize(("kind", "outcome"), [("model", "refused"), ("input", "failed"), ("access", "failed")])
def test_only_what_is_wrong_with_a_model_refuses_it(
    world: World, monkeypatch: pytest.MonkeyPatch, kind: str, outcome: str
) -> None:
    """A certificate that is not trusted, say, may be tomorrow."""
    world.add("org/one")

    def sweep(settings: SweepSettings) -> SweepResult:
        return SweepResult((), (Failure(settings.models.refs[0], "no", kind=kind),), 0)

    monkeypatch.setattr(passes, "run_sweep", sweep)
    assert names(getattr(world.watch(), outcome)) == {"org/one"}


@pytest.mark.parametrize(("models", "counted"), [(2, True), (3, False)])
def test_an_outage_gives_nobody_up(world: World, monkeypatch: pytest.MonkeyPatch, models: int, counted: bool) -> None:
    for number in range(models):
        world.add(f"org/model-{number}")

    def sweep(settings: SweepSettings) -> SweepResult:
        return SweepResult((), tuple(Failure(ref, "no answer", kind="transient") for ref in settings.models.refs), 0)

    monkeypatch.setattr(passes, "run_sweep", sweep)
    failed = [world.watch().failed for _ in range(4)]
    assert [len(each) for each in failed] == ([models] * 3 + [0] if counted else [models] * 4)


def test_what_finished_before_a_stop_is_noted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was published before is not: whether this sweep looked at it nobody knows."""
    world.add("org/before")
    world.watch()
    monkeypatch.setattr(passes, "rules_digest", lambda extra: "0123abcd")
    for name in ("org/one", "org/two"):
        world.add(name)

    def stopped(settings: SweepSettings) -> SweepResult:
        refs = [ref for ref in settings.models.refs if ref.startswith("org/one")]
        sweep_alone(replace(settings, models=replace(settings.models, refs=refs)))
        raise StoppedError(signal.SIGTERM, "stopped by SIGTERM")

    monkeypatch.setattr(passes, "run_sweep", stopped)
    with pytest.raises(StoppedError):
        world.watch()
    latest = world.latest()
    assert latest["stopped"]
    assert [entry["model"] for entry in latest["swept"]] == ["org/one"]
    assert {entry["model"] for entry in latest["left"]} == {"org/before", "org/two"}
    monkeypatch.setattr(passes, "run_sweep", sweep_alone)
    summary = world.watch()
    assert summary.unchanged == 1
    assert {(entry.model, entry.reason) for entry in summary.swept} == {
        ("org/before", "was in the store already"),
        ("org/two", ""),
    }


def test_a_dry_run_writes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world.add("org/one")
    world.add("org/packed", world.packed)
    world.add("org/denied")
    refuse_sweeps(monkeypatch)
    size = sum(file.stat().st_size for file in world.packed.glob("*.safetensors"))
    summary = world.watch(dry_run=True, deny=["*/denied"], max_bytes=size - 1)
    assert names(summary.appeared) == {"org/one"}
    assert not Path(world.store.url).exists()
    lines = capsys.readouterr().out.splitlines()
    assert f"would sweep: org/one @ {commit_of('org/one')[:12]}: new model" in lines
    assert "left out: 1 in watch.deny (org/denied)" in lines
    assert "left out: 1 larger than watch.max_bytes (org/packed)" in lines
    assert "dry run" in lines[0]


def test_gated_with_a_token(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.add("org/gated", gated="manual", token="hf_opens")
    assert names(world.watch().failed) == {"org/gated"}
    monkeypatch.setenv("HF_TOKEN", "hf_opens")
    assert names(world.watch().swept) == {"org/gated"}
    assert "hf_opens" not in str(world.latest())


def test_one_sweep_for_all(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the settings of the watch, so that the largest units of all models go first."""
    asked: list[SweepSettings] = []

    def sweep(settings: SweepSettings) -> SweepResult:
        asked.append(settings)
        return sweep_alone(settings)

    monkeypatch.setattr(passes, "run_sweep", sweep)
    for name in ("org/one", "org/two"):
        world.add(name)
    world.watch()
    (settings,) = asked
    assert set(settings.models.refs) == {f"{name}@{commit_of(name)}" for name in ("org/one", "org/two")}
    assert settings.store == world.store
    assert settings.profile == world.settings().profile


def test_a_size_that_cannot_be_asked_for_is_no_size_within_the_limit(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = world.add("org/packed", world.packed)
    path = f"/api/models/org/packed/revision/{commit}"
    world.hub.faults.append(always(refuse(403), where=lambda request: request.path == path))
    refuse_sweeps(monkeypatch)
    assert names(world.watch(max_bytes=10**9).failed) == {"org/packed"}
    assert world.notes() == {noted("org/packed", "failed-1")}


def test_a_listing_that_fails(world: World) -> None:
    world.hub.faults.append(always(refuse(400), where=lambda request: request.path == "/api/models"))
    with pytest.raises(InputError, match="400"):
        world.watch()
    assert world.keys() == []


def test_nothing_is_noted_where_the_store_fails(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the sweep says so of the whole or of one model."""
    world.add("org/one")
    world.add("org/alien", world.alien)

    def whole(settings: SweepSettings) -> SweepResult:
        raise StoreError("the store is full")

    def one(settings: SweepSettings) -> SweepResult:
        found = sweep_alone(replace(settings, models=replace(settings.models, refs=settings.models.refs[:1])))
        return replace(found, failures=(Failure(settings.models.refs[1], "the store is full", kind="store"),))

    for sweep in (whole, one):
        monkeypatch.setattr(passes, "run_sweep", sweep)
        with pytest.raises(StoreError, match="the store is full"):
            world.watch()
        assert world.keys("_watch/") == []


def test_what_is_understood_and_cannot_be_read_is_no_refusal(world: World) -> None:
    """The CDN, or what stands before it, may be what is wrong."""
    world.add("org/one")
    world.hub.faults.append(
        always(refuse(404), where=lambda request: on_cdn(request) and not (request.range or "").startswith("bytes=0-"))
    )
    assert names(world.watch().failed) == {"org/one"}
    assert world.notes() == {noted("org/one", "failed-1")}


def test_other_settings_under_a_profiles_name_are_refused_also_where_there_is_no_news(world: World) -> None:
    world.add("org/one")
    world.watch()
    settings = world.settings()
    with pytest.raises(StoreError, match="with other settings"):
        passes.Watch(replace(settings, profile=replace(settings.profile, weights="residual"))).make_pass()


def test_a_folder_of_a_models_name_is_not_taken_for_it(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add("org/one")
    (tmp_path / "org" / "one").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="org/one: a folder of that name is here"):
        world.watch()


def test_two_profiles_and_two_watches_on_one_store(world: World) -> None:
    world.add("org/one")
    world.watch()
    settings = world.settings()
    other = replace(settings, profile=replace(settings.profile, name="other", weights="residual"))
    assert names(passes.Watch(other).make_pass().swept) == {"org/one"}
    summary = world.watch(name="second")
    assert summary.swept == (Entry("org/one", commit_of("org/one"), "was in the store already"),)
    assert world.watch().unchanged == 1
    world.assert_sound(2)


@pytest.mark.slow
def test_two_watchers_at_once_over_s3(world: World, moto: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """They leave the dataset and the notes of one, and a listing that takes pages."""
    for name, value in moto.environment().items():
        monkeypatch.setenv(name, value)
    world.add("org/one")
    for number in range(7):
        world.add(f"org/alien-{number}", world.alien)
    both_listed = Barrier(2)

    def sweep(settings: SweepSettings) -> SweepResult:
        both_listed.wait(60)
        return sweep_alone(settings)

    url = f"s3://{moto.make_bucket('two-watchers')}/store"
    shared = replace(world, store=StoreSettings(url=url, endpoint_url=moto.endpoint_url))
    with monkeypatch.context() as patch, ThreadPoolExecutor(2) as pool:
        patch.setattr(passes, "run_sweep", sweep)
        for summary in pool.map(lambda _: shared.watch(), range(2)):
            assert (len(summary.swept), len(summary.refused)) == (1, 7)
    world.watch()
    assert shared.notes() == world.notes()
    assert shared.neurons() == world.neurons()
    shared.assert_sound(1)
    monkeypatch.setattr(bucket, "PAGE_KEYS", 5)
    refuse_sweeps(monkeypatch)
    summary = shared.watch()
    assert (summary.unchanged, len(summary.refused_before)) == (1, 7)
