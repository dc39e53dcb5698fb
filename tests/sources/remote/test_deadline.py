"""A call that does not end is left behind."""

import threading

import pytest

from gated_ray.errors import TransientError
from gated_ray.sources.remote.deadline import within


def test_what_a_call_returns_or_raises() -> None:
    assert within("org/name", lambda: 5) == 5
    assert within("org/name", lambda: None) is None
    with pytest.raises(ZeroDivisionError):
        within("org/name", lambda: 1 // 0)


def test_a_call_that_takes_too_long() -> None:
    never = threading.Event()
    try:
        with pytest.raises(TransientError, match="org/name: no complete answer within 0 s"):
            within("org/name", lambda: never.wait(30), seconds=0.05)
    finally:
        never.set()
