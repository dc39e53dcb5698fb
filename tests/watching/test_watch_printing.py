"""The lines of a summary."""

import pytest

from gated_ray.watching.departures import Departures, Renamed
from gated_ray.watching.printing import lines_of
from gated_ray.watching.summary import Entry, Summary


def summary(**given: object) -> Summary:
    nothing: dict[str, object] = dict.fromkeys(
        ("appeared", "again", "swept", "failed", "refused", "refused_before", "given_up", "left"), ()
    )
    facts = {"watch": "w", "profile": "p", "gated_ray_version": "1", "rules": "r", "filters": {}, "seconds": 1.5}
    counts = {"listed": {"org/a": "c"}, "unchanged": 0, "left_out": {}}
    return Summary(**{**nothing, **facts, **counts, **given})  # type: ignore[arg-type]


def entries(count: int, reason: str, name: str = "m") -> tuple[Entry, ...]:
    return tuple(Entry(f"org/{name}{number}", "c" * 40, reason) for number in range(count))


def test_counts_come_first() -> None:
    found = summary(
        listed={f"org/m{number}": "c" for number in range(12)},
        appeared=entries(2, "new model"),
        again=entries(1, "failed before, attempt 2 of 3", "x"),
        swept=entries(1, ""),
        failed=entries(1, "no network", "x"),
        refused=entries(1, "odd", "y"),
        refused_before=entries(2, "odd", "z"),
        given_up=entries(1, "gated", "g"),
        unchanged=4,
        left_out={"deny": ("org/d", "org/e")},
    )
    assert list(lines_of(found)) == [
        "Watch w, profile p: 12 models listed: 2 new, 1 again, 1 swept, 1 failed, 3 refused, 1 given up, 4 unchanged, "
        "2 left out; in 1.5 s",
        "appeared: org/m0 @ cccccccccccc: new model",
        "appeared: org/m1 @ cccccccccccc: new model",
        "again: org/x0 @ cccccccccccc: failed before, attempt 2 of 3",
        "swept: org/m0 @ cccccccccccc",
        "FAILED: org/x0 @ cccccccccccc: no network",
        "given up: org/g0 @ cccccccccccc: gated",
        "refused: org/y0: odd",
        "refused before: org/z0, org/z1: odd",
        "left out: 2 in watch.deny (org/d, org/e)",
    ]


def test_many_refusals_are_told_by_reason_the_commonest_first() -> None:
    many = entries(3, "rare") + entries(400, "common")
    others = tuple(Entry("org/o", "c" * 40, f"reason {number:02d}") for number in range(30))
    lines = list(lines_of(summary(refused_before=many + others)))
    assert lines[1:3] == [
        "refused before: org/m0, org/m1, org/m2 and 397 more: common",
        "refused before: org/m0, org/m1, org/m2: rare",
    ]
    assert lines[-1] == "refused before: 12 models for 12 other reasons"
    assert len(lines) == 22


@pytest.mark.parametrize("what", ["appeared", "again", "swept"])
def test_a_long_list_is_told_by_reason(what: str) -> None:
    lines = list(lines_of(summary(**{what: entries(60, "new model")})))
    assert lines[1:] == [f"{what}: org/m0, org/m1, org/m2 and 57 more: new model"]


def test_every_failure_is_told() -> None:
    assert len(list(lines_of(summary(failed=entries(200, "no network"))))) == 201


def test_departures() -> None:
    gone = Departures(
        renamed=(Renamed("org/a", "org/b", "c" * 40, "org/a"), Renamed("org/x", "org/y", "c" * 40)),
        deleted=("org/d",),
        no_longer_listed=("org/n",),
        unanswered={"org/u": "no network"},
    )
    assert list(lines_of(summary(departures=gone)))[1:] == [
        "renamed: org/a is org/b now; commit cccccccccccc stays in the store as org/a",
        "renamed: org/x is org/y now",
        "deleted: org/d is no longer on the Hub, or private; what the store holds of it stays",
        "no longer listed: org/n; still on the Hub, but other than the filters ask for",
        "unknown: org/u is no longer listed, and why is asked at the next pass: no network",
    ]


def test_how_it_ended() -> None:
    stopped = list(lines_of(summary(stopped=True, left=entries(1, "new model"))))
    assert "stopped after 1.5 s" in stopped[0]
    assert stopped[-1] == "not reached: org/m0 @ cccccccccccc: new model"
    assert "nothing on the Hub passes these filters" in next(lines_of(summary(listed={})))
