"""What a server asks for is heard in both forms, and heeded by everybody, within bounds."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from gated_ray.errors import TransientError
from gated_ray.sources.remote.gate import RateLimitGate, seconds_asked
from gated_ray.sources.remote.retry import ATTEMPTS, OverloadedError, retried


def test_seconds() -> None:
    assert seconds_asked("17") == 17
    assert seconds_asked("0") == 0


def test_a_date() -> None:
    at = datetime.now(UTC) + timedelta(seconds=90)
    assert 87 < seconds_asked(format_datetime(at, usegmt=True)) <= 90
    assert seconds_asked(format_datetime(datetime.now(UTC) - timedelta(seconds=90), usegmt=True)) == 0


@pytest.mark.parametrize(
    "header", [None, "", "soon", "-5", "1.5", "Sun, 99 Nov 2026 10:00:00 GMT", "\u0661\u0667", "1e3"]
)
def test_what_cannot_be_read_asks_for_nothing(header: str | None) -> None:
    assert seconds_asked(header) == 0


def test_the_longest_that_is_asked_for_counts(slept: list[float]) -> None:
    gate = RateLimitGate()
    gate.wait()
    gate.hold(20, "org/name")
    gate.hold(3, "org/name")
    gate.wait()
    assert slept == [pytest.approx(20, abs=0.5)]


@pytest.mark.parametrize("seconds", [10**9, 10**30])
def test_no_server_can_ask_for_ever(slept: list[float], seconds: int) -> None:
    gate = RateLimitGate()
    gate.hold(seconds_asked(str(seconds)), "org/name")
    gate.wait()
    assert slept == [pytest.approx(300, abs=0.5)]


def test_a_long_wait_is_said_once(slept: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    gate = RateLimitGate()
    gate.hold(2, "org/name")
    assert capsys.readouterr().err == ""
    gate.hold(60, "org/name")
    gate.hold(61, "org/other")
    assert capsys.readouterr().err == "org/name: the server asks to wait 60 s\n"


def test_a_bucket_is_named_whole(
    pauses: list[float], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("gated_ray.sources.remote.retry.ATTEMPTS", 2)
    with pytest.raises(OverloadedError):
        retried(
            lambda: _raise(OverloadedError("s3://bucket/model/file at byte 0: the server is overloaded (503)", "9"))
        )
    assert capsys.readouterr().err == "s3://bucket/model/file at byte 0: the server asks to wait 9 s\n"


def _raise(error: Exception) -> None:
    raise error


def test_another_caller_waits_too(pauses: list[float]) -> None:
    """One call is refused and asks for a minute; the next one, of something else, waits before it asks at all."""
    answers = iter([OverloadedError("org/name: overloaded", "60"), "first"])

    def refused_once() -> str:
        answer = next(answers)
        if isinstance(answer, OverloadedError):
            raise answer
        return answer

    assert retried(refused_once) == "first"
    before = len(pauses)
    assert retried(lambda: "second") == "second"
    assert len(pauses) == before + 1
    assert pauses[-1] == pytest.approx(60, abs=1)


def test_pauses_double_and_end(pauses: list[float]) -> None:
    calls = []

    def fails() -> None:
        calls.append(None)
        raise TransientError("org/name: no")

    with pytest.raises(TransientError):
        retried(fails)
    assert len(calls) == ATTEMPTS
    assert len(pauses) == ATTEMPTS - 1
    for attempt, seconds in enumerate(pauses):
        assert 0.25 * 2**attempt <= seconds <= 0.5 * 2**attempt


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    made: list[float] = []
    monkeypatch.setattr("gated_ray.sources.remote.gate.sleep", made.append)
    return made
