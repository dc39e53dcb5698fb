"""What people are told while a sweep runs."""

import io
import re
import sys

import pytest
import tqdm.std

from gated_ray.cluster import progress as module
from gated_ray.cluster.progress import Progress
from gated_ray.cluster.tally import Tally

HALF_A_MEGABYTE = 500_000


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(tqdm.std, "time", clock)
    monkeypatch.setattr(module, "monotonic", clock)
    return clock


def planned(units: int, models: int = 1) -> Progress:
    """A sweep of which one model is planned, of so many units of half a megabyte."""
    progress = Progress(models)
    progress.planned("org/first", units, units * HALF_A_MEGABYTE)
    return progress


def do(progress: Progress, units: int = 1) -> None:
    for _ in range(units):
        progress.done(HALF_A_MEGABYTE, {})


def last_line(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err.splitlines()[-1]


def test_a_log_gets_a_line_now_and_then(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    progress = planned(4)
    for _ in range(2):
        for _ in range(10):
            clock.now += 2.5
            progress.refresh()
        do(progress)
    progress.close()
    written = capsys.readouterr()
    assert written.out == ""
    assert "\r" not in written.err
    lines = written.err.splitlines()
    assert lines[0].startswith("units 0/0+, published 0/1 |"), "before anything is planned"
    assert lines[1].startswith("units 0/4, published 0/1 |")
    assert lines[-1] == "units 2/4, published 0/1 |##########          | 1.00M/2.00M [00:50<00:50, 20.0kB/s]"
    seconds = [int(re.search(r"\[00:(\d\d)<", line)[1]) for line in lines]  # type: ignore[index]
    assert seconds == [0, 10, 20, 30, 40, 50, 50], "one every ten seconds, and the last word"


def test_rate_and_time_left_come_from_the_whole_sweep(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    """Looking often between units must not make the last unit seem quick."""
    progress = planned(4)
    for _ in range(99):
        clock.now += 1
        progress.refresh()
    clock.now += 1
    do(progress)
    progress.refresh()
    line = last_line(capsys)
    progress.close()
    assert line.endswith("[01:40<05:00, 5.00kB/s]")


def test_while_models_are_planned_the_rest_is_estimated(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    progress = planned(4, models=5)
    progress.not_planned("org/none: no such repository")
    do(progress, 2)
    clock.now += 10
    progress.refresh()
    assert last_line(capsys) == (
        "units 2/4+, published 0/5, failed 1 |##5                 | 1.00M/~8.00M [00:10<~01:10, 100kB/s]"
    ), "three more models of 2 MB each, at 100 kB/s"
    for number in range(3):
        progress.planned(f"org/{number}", 2, 2 * HALF_A_MEGABYTE)
    clock.now += 10
    progress.refresh()
    assert last_line(capsys) == (
        "units 2/10, published 0/5, failed 1 |####                | 1.00M/5.00M [00:20<01:20, 50.0kB/s]"
    )
    progress.close()


def test_nothing_is_estimated_before_the_first_model_is_planned(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    progress = Progress(3)
    clock.now += 10
    progress.refresh()
    line = last_line(capsys)
    progress.close()
    assert line.startswith("units 0/0+, published 0/3 |")
    assert line.endswith("| 0.00/? [00:10<?, ?B/s]")


def test_failures_and_units_done_again_change_what_is_left(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    progress = planned(4)
    progress.failed("org/first: layer 0: the network", 1, HALF_A_MEGABYTE)
    progress.failed("org/first: publication: the network", 0, 0)
    do(progress, 3)
    progress.again(1, HALF_A_MEGABYTE)
    clock.now += 10
    progress.refresh()
    assert last_line(capsys).startswith("units 3/5, published 0/1, failed 2 |###############     | 1.50M/2.00M")
    do(progress)
    progress.published("org/first")
    progress.close()
    assert last_line(capsys).startswith("units 4/5, published 1/1, failed 2 |####################| 2.00M/2.00M")


def test_an_estimate_knows_nothing_of_failures_and_repetitions(clock: Clock) -> None:
    """How large the models still to be planned are does not depend on what became of the others."""
    tally = Tally(clock.now, models_asked=2)
    tally.plan("org/first", 4, 400)
    tally.more(1, 100)
    tally.size_failed += 200
    assert tally.size_expected == 300 + 400


def test_models_that_are_there_already_are_not_waited_for(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    progress = planned(1, models=4)
    progress.planned("org/complete", 0, 0)
    progress.planned("org/complete too", 0, 0)
    progress.planned("org/unpublished", 0, 0)
    do(progress)
    progress.published("org/first")
    progress.published("org/unpublished", {"committing": 0.1})
    progress.close()
    assert last_line(capsys).startswith("units 1/1, published 2/2 |")


def test_models_of_one_name_are_told_apart_by_what_was_left_of_them(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two revisions to do, and a second reference to one of them."""
    progress = planned(1, models=3)
    progress.planned("org/first", 0, 0)
    progress.planned("org/first", 1, HALF_A_MEGABYTE)
    do(progress, 2)
    progress.published("org/first")
    progress.published("org/first")
    progress.close()
    assert last_line(capsys).startswith("units 2/2, published 2/2 |")


def test_a_terminal_gets_one_line_that_is_redrawn(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    progress = planned(4)
    for _ in range(4):
        clock.now += 0.25
        do(progress)
        progress.refresh()
    progress.close()
    written = terminal.getvalue()
    assert all(f"units {done}/4, published 0/1 |" in written for done in range(1, 5))
    assert written.count("\r") >= 4
    assert written.count("\n") == 1


def test_words_of_their_own(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    progress = planned(1)
    progress.say("still waiting")
    progress.close()
    assert "still waiting" in capsys.readouterr().err.splitlines()


def test_nothing_but_a_publication_to_do(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(1)
    progress.planned("org/first", 0, 0)
    progress.published("org/first")
    progress.close()
    assert last_line(capsys).startswith("units 0/0, published 1/1 |")


def test_speed_of_the_last_seconds_and_of_all(clock: Clock) -> None:
    tally = Tally(clock.now, models_asked=1)
    tally.plan("org/first", 10, 100_000)
    assert tally.recent_speed == 0
    for _ in range(40):  # 10 s at 1 kB/s
        clock.now += 0.25
        tally.size_done += 250
        tally.look(clock.now)
    assert tally.recent_speed == pytest.approx(1000), "of as long as there was"
    for _ in range(240):  # a minute at 100 B/s
        clock.now += 0.25
        tally.size_done += 25
        tally.look(clock.now)
    assert tally.recent_speed == pytest.approx(100)
    assert tally.mean_speed(clock.now) == pytest.approx(16_000 / 70)
    assert tally.seconds_left(clock.now) == pytest.approx(84_000 / (16_000 / 70))
    for _ in range(121):  # half a minute of nothing
        clock.now += 0.25
        tally.look(clock.now)
    assert tally.recent_speed == 0


def test_what_is_remembered_of_the_speed_does_not_grow(clock: Clock) -> None:
    tally = Tally(clock.now, models_asked=1)
    for _ in range(10_000):
        clock.now += 0.25
        tally.look(clock.now)
    assert len(tally._seen) <= 4 * 30 + 2


def test_no_time_is_left_where_nothing_is(clock: Clock) -> None:
    tally = Tally(clock.now, models_asked=1)
    clock.now += 10
    assert tally.seconds_left(clock.now) is None, "nothing is planned, nothing is known"
    tally.plan("org/first", 1, 100)
    assert tally.seconds_left(clock.now) is None, "no speed yet"
    tally.units_done, tally.size_done = 1, 100
    assert tally.seconds_left(clock.now) == 0
    only_published = Tally(clock.now, models_asked=1)
    only_published.plan("org/first", 0, 0)
    assert only_published.seconds_left(clock.now) == 0
