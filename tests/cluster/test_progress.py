"""What is said while a sweep runs."""

import io
import re
import sys

import pytest
import tqdm.std

from gated_ray.cluster.progress import Progress
from gated_ray.cluster.units import Unit
from gated_ray.store.keys import UnitKey
from tests.cluster.test_units import LOCATION, PARTITION, made_up_block


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
    return clock


@pytest.fixture
def units() -> list[Unit]:
    """Four units of 500 kB."""
    return [
        Unit(PARTITION, UnitKey(layer, "mlp"), LOCATION, (made_up_block(layer, "mlp", None, 500_000),), {})
        for layer in range(4)
    ]


def test_a_log_gets_a_line_now_and_then(clock: Clock, units: list[Unit], capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(units)
    for unit in units[:2]:
        for _ in range(10):
            clock.now += 2.5
            progress.refresh()
        progress.done(unit)
    progress.close()
    written = capsys.readouterr().err
    assert "\r" not in written
    lines = written.splitlines()
    assert lines[0].startswith("units 0/4, published 0 |")
    assert lines[-1].startswith("units 2/4, published 0 |##########          | 1.00M/2.00M [00:50<00:50, 20.0kB/s]")
    seconds = [int(re.search(r"\[00:(\d\d)<", line)[1]) for line in lines]  # type: ignore[index]
    assert seconds == [0, 10, 20, 30, 40, 50, 50], "one every ten seconds, and the last word"
    assert all(re.search(r"(units \d/4).*\| .*B?/2.00M \[\d\d:\d\d<.*B/s\]$", line) for line in lines)


def test_rate_and_time_left_come_from_the_whole_sweep(
    clock: Clock, units: list[Unit], capsys: pytest.CaptureFixture[str]
) -> None:
    """Looking often between units must not make the last unit seem quick."""
    progress = Progress(units)
    for _ in range(99):
        clock.now += 1
        progress.refresh()
    clock.now += 1
    progress.done(units[0])
    line = capsys.readouterr().err.splitlines()[-1]
    progress.close()
    assert line.endswith("[01:40<05:00, 5.00kB/s]")


def test_failures_and_units_done_again_change_what_is_left(
    clock: Clock, units: list[Unit], capsys: pytest.CaptureFixture[str]
) -> None:
    progress = Progress(units)
    progress.failed(units[0])
    progress.failed(None)
    for unit in units[1:]:
        progress.done(unit)
    progress.more(units[1:2])
    progress.done(units[1])
    progress.published()
    clock.now += 10
    progress.close()
    assert (
        capsys.readouterr()
        .err.splitlines()[-1]
        .startswith("units 4/5, published 1, failed 2 |####################| 2.00M/2.00M")
    )


def test_a_terminal_gets_one_line_that_is_redrawn(
    clock: Clock, units: list[Unit], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    progress = Progress(units)
    for unit in units:
        clock.now += 1
        progress.done(unit)
    progress.close()
    assert terminal.getvalue().count("\r") >= len(units)
    assert terminal.getvalue().count("\n") == 1


def test_words_of_their_own(clock: Clock, units: list[Unit], capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(units)
    progress.say("still waiting")
    progress.close()
    assert "still waiting" in capsys.readouterr().err.splitlines()


def test_nothing_but_a_publication_to_do(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress([])
    progress.published()
    progress.close()
    assert capsys.readouterr().err.splitlines()[-1].startswith("units 0/0, published 1")
