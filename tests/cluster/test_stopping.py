"""Signals as requests to stop."""

import os
import signal
import threading

import pytest

from gated_ray.cluster.stopping import Stop, stopping
from gated_ray.errors import StoppedError


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_heard_and_raises_nothing(number: signal.Signals) -> None:
    with stopping() as stop:
        assert (stop.asked, stop.seconds, stop.reason) == (False, 0.0, "")
        os.kill(os.getpid(), number)
        assert stop.wait(10)
        assert (stop.asked, stop.signal, stop.reason) == (True, number, f"stopped by {number.name}")
        assert stop.seconds > 0
        error = stop.error("3 models left")
    assert (str(error), error.signal_number) == (f"stopped by {number.name}: 3 models left", number)


def test_the_second_one_ends_whatever_the_main_thread_waits_for() -> None:
    with stopping() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(10)
        with pytest.raises(StoppedError, match="stopped by SIGTERM: at once"):
            _ask_and_wait(signal.SIGINT)


def _ask_and_wait(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)
    threading.Event().wait(10)


def test_whoever_had_the_signals_gets_them_back() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with stopping() as stop:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # as Ray does when it starts
        stop.listen()
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(10)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_another_thread_than_the_main_one_leaves_them_alone() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen: list[object] = []

    def run() -> None:
        with stopping() as stop:
            seen.extend([signal.getsignal(signal.SIGINT), stop.asked])

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(10)
    assert seen == [before, False]


def test_waiting_ends_when_the_time_is_over() -> None:
    assert Stop().wait(0.01) is False
