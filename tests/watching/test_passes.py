"""Passes over a Hub with the real client: what each finds, does, notes and tells."""

import pytest

from gated_ray.store.objects import open_objects
from gated_ray.watching import passes
from gated_ray.watching.departures import Departures
from gated_ray.watching.rules import rules_digest
from gated_ray.watching.summary import Entry
from tests.servers.hub_faults import always, on_resolve, refuse
from tests.watching.watching import World, commit_of, names, noted, refuse_sweeps

pytestmark = pytest.mark.usefixtures("sweeps_alone")


def test_new_models_and_new_commits(world: World) -> None:
    """What is new is swept beside what is there."""
    world.add("org/one")
    world.watch()
    before = set(world.keys("neurons/"))
    world.add("org/one", version=2)
    world.add("org/two")
    world.hub.clear_log()
    summary = world.watch()
    assert set(summary.appeared) == {
        Entry("org/one", commit_of("org/one", 2), "new commit"),
        Entry("org/two", commit_of("org/two"), "new model"),
    }
    assert {(entry.model, entry.commit) for entry in summary.swept} == {
        (entry.model, entry.commit) for entry in summary.appeared
    }
    assert not any(commit_of("org/one") in path for path in world.requests())
    assert before < set(world.keys("neurons/"))
    assert world.notes() == {
        noted("org/one", "swept"),
        noted("org/one", "swept", version=2),
        noted("org/two", "swept"),
    }
    world.assert_sound(3)


def test_renamed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit that is in the store under the old name is not measured again; a later one is, under the new name."""
    commit = world.add("org/old")
    world.add("org/stays")
    world.watch()
    with monkeypatch.context() as patch:
        refuse_sweeps(patch)
        for old, new in (("org/old", "org/new"), ("org/new", "org/newest")):
            world.hub.rename(old, new)
            world.hub.clear_log()
            summary = world.watch()
            (renamed,) = summary.departures.renamed
            assert (renamed.old, renamed.new, renamed.commit, renamed.kept_as) == (old, new, commit, "org/old")
            assert summary.unchanged == 2
            assert summary.appeared == ()
            assert noted(new, "renamed").replace(commit_of(new), commit) in world.notes()
            assert len(world.requests()) == 3, "the listing, the old name, and the new one that it leads to"
            world.hub.clear_log()
            assert world.watch().departures.renamed == (), "told once"
            assert world.requests() == ["/api/models"]
    world.add("org/newest", version=2)
    assert [entry.model for entry in world.watch().swept] == ["org/newest"]
    world.assert_sound(3)


def test_renamed_with_nothing_in_the_store(world: World) -> None:
    """Of the commit that it has now: it is looked at under its new name."""
    world.add("org/old")
    alien = world.add("org/old-alien", world.alien)
    world.watch()
    for kind in ("", "-alien"):
        world.hub.rename(f"org/old{kind}", f"org/new{kind}")
    world.add("org/new", version=2)
    summary = world.watch()
    assert {(each.old, each.new, each.kept_as) for each in summary.departures.renamed} == {
        ("org/old", "org/new", None),
        ("org/old-alien", "org/new-alien", None),
    }
    assert summary.swept == (Entry("org/new", commit_of("org/new", 2)),)
    assert summary.refused == (Entry("org/new-alien", alien, summary.refused[0].reason),)
    world.assert_sound(2)


def test_other_rules_look_at_a_renamed_model_under_the_name_it_is_kept_by(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add("org/old")
    world.watch()
    world.hub.rename("org/old", "org/new")
    world.watch()
    monkeypatch.setattr(passes, "rules_digest", lambda extra: "0123abcd")
    summary = world.watch()
    assert summary.swept == (Entry("org/old", commit_of("org/old"), "was in the store already"),)
    world.assert_sound(1)


def test_deleted_or_no_longer_fitting(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.add("org/gone")
    world.add("org/unpopular", downloads=50)
    world.add("org/stays", downloads=50)
    world.watch(authors=[], min_downloads=0, allow=["org/*"])
    assert world.watch(min_downloads=10).departures == Departures(), "other filters list others"
    world.hub.remove_repo("org/gone")
    assert world.watch(min_downloads=10).departures.deleted == (), "it was not looked at by these filters"
    world.add("org/unpopular", downloads=5)
    refuse_sweeps(monkeypatch)
    summary = world.watch(min_downloads=10)
    assert summary.departures.no_longer_listed == ("org/unpopular",)

    world.watch()
    world.hub.remove_repo("org/stays")
    assert world.watch().departures.deleted == ("org/stays",)
    assert world.watch().departures.deleted == (), "told once"
    world.assert_sound(3)


def test_what_is_left_out_now_has_not_departed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.add("org/one")
    size = sum(file.stat().st_size for file in world.model.glob("*.safetensors"))
    world.watch(max_bytes=size)
    world.add("org/one", world.large, version=2)
    refuse_sweeps(monkeypatch)
    world.hub.clear_log()
    summary = world.watch(max_bytes=size)
    assert summary.left_out == {"max_bytes": ("org/one",)}
    assert summary.departures == Departures()
    assert world.requests() == ["/api/models"]


def test_a_name_that_cannot_be_asked_for_is_asked_for_again(world: World) -> None:
    world.add("org/gone")
    world.add("org/stays")
    world.watch()
    world.hub.remove_repo("org/gone")
    world.hub.faults.append(always(refuse(403), where=lambda request: request.path == "/api/models/org/gone"))
    summary = world.watch()
    assert list(summary.departures.unanswered) == ["org/gone"]
    assert summary.departures.deleted == ()
    world.hub.faults.clear()
    assert world.watch().departures.deleted == ("org/gone",)


def test_gated_without_access_fails_until_it_is_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its reason is told at every pass; more attempts, or another commit, let it in again."""
    world.add("org/gated", gated=True, token="hf_opens")
    for attempt in (1, 2):
        summary = world.watch(attempts=2)
        (entry,) = summary.failed
        assert "a gated repository that you have no access to" in entry.reason
        assert f"attempt {attempt} of 2" in entry.reason
    with monkeypatch.context() as patch:
        refuse_sweeps(patch)
        for _ in range(2):
            world.hub.clear_log()
            summary = world.watch(attempts=2)
            assert summary.failed == ()
            assert names(summary.given_up) == {"org/gated"}
            assert "a gated repository that you have no access to" in summary.given_up[0].reason
            assert world.requests() == ["/api/models"]
        assert world.watch(gated=False, attempts=3).left_out == {"gated": ("org/gated",)}
    assert "attempt 3 of 3" in world.watch(attempts=3).failed[0].reason
    assert world.notes() == {noted("org/gated", f"failed-{times}") for times in (1, 2, 3)}
    world.add("org/gated", version=2)
    assert "attempt 1 of 3" in world.watch(attempts=3).failed[0].reason


def test_failing_and_recovering(world: World) -> None:
    world.add("org/one")
    world.hub.faults.append(always(refuse(403), where=on_resolve))
    assert names(world.watch().failed) == {"org/one"}
    world.hub.faults.clear()
    summary = world.watch()
    assert [entry.reason for entry in summary.again] == ["failed before, attempt 2 of 3"]
    assert names(summary.swept) == {"org/one"}
    assert world.watch().unchanged == 1
    world.assert_sound(1)


def test_other_rules_look_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """At what was refused, and at what is published, of which only what is understood otherwise is measured again."""
    world.add("org/one")
    world.add("org/alien", world.alien)
    world.watch()
    monkeypatch.setattr(passes, "rules_digest", lambda extra: "0123abcd")
    before = world.files()
    summary = world.watch()
    assert {entry.reason for entry in summary.again} == {"last looked at by other rules or another version"}
    assert summary.swept == (Entry("org/one", commit_of("org/one"), "was in the store already"),)
    assert names(summary.refused) == {"org/alien"}
    assert world.files() == before
    assert (world.watch().unchanged, len(world.watch().refused_before)) == (1, 1)


def test_sizes_known_and_unknown(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A size that the listing does not tell is asked for once; a larger limit later lets the model in."""
    world.add("org/packed", world.packed)
    world.add("org/large", world.large)
    size = sum(file.stat().st_size for file in world.packed.glob("*.safetensors"))
    with monkeypatch.context() as patch:
        refuse_sweeps(patch)
        world.hub.clear_log()
        assert set(world.watch(max_bytes=size - 1).left_out["max_bytes"]) == {"org/packed", "org/large"}
        assert len(world.requests()) == 2
        assert world.notes() == {noted("org/packed", f"large-{size}")}
        world.hub.clear_log()
        assert set(world.watch(max_bytes=size - 1).left_out["max_bytes"]) == {"org/packed", "org/large"}
        assert world.requests() == ["/api/models"]
    summary = world.watch(max_bytes=size)
    assert [entry.reason for entry in summary.again] == ["within the size limit now"]
    assert names(summary.swept) == {"org/packed"}
    assert summary.left_out == {"max_bytes": ("org/large",)}


def test_what_the_user_deletes_from_the_store_is_swept_again(world: World) -> None:
    world.add("org/one")
    world.watch()
    (record,) = (key for key in world.keys("_units/") if key.endswith("published.json"))
    open_objects(world.store).delete(record)
    summary = world.watch()
    assert [entry.reason for entry in summary.again] == ["no longer in the store"]
    assert names(summary.swept) == {"org/one"}
    world.assert_sound(1)


def test_notes_of_rules_are_of_the_rules_in_use(world: World) -> None:
    world.add("org/alien", world.alien)
    world.watch()
    (key,) = (key for key in world.keys("_watch/") if "/notes/" in key)
    assert key.endswith(f"org--alien={commit_of('org/alien')}=refused-{rules_digest(None)}.json")
