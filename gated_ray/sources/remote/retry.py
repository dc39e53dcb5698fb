"""Trying again what may pass, in pauses that grow."""

import random
from collections.abc import Callable
from time import sleep
from typing import TypeVar

from gated_ray.errors import TransientError
from gated_ray.sources.remote.gate import GATE, seconds_asked

ATTEMPTS = 6
_FIRST_SECONDS = 0.5
_MOST_SECONDS = 30.0

T = TypeVar("T")


class OverloadedError(TransientError):
    """A server refused for now, and may have said for how long."""

    def __init__(self, message: str, retry_after: str | None = None) -> None:
        """`retry_after` is the header of that name."""
        super().__init__(message)
        self.seconds = seconds_asked(retry_after)


def retried(call: Callable[[], T], on: type[TransientError] = TransientError) -> T:
    """Call until it does not raise `on`, at most `ATTEMPTS` times. Every call waits at the rate-limit gate."""
    for failures in range(1, ATTEMPTS):
        GATE.wait()
        try:
            return call()
        except on as error:
            pause(failures, error)
    GATE.wait()
    return call()


def pause(failures: int, error: TransientError) -> None:
    """Sleep after so many failures in a row: doubling, with jitter, so that many clients do not come back at once.

    Where the server said how long to wait, the gate closes for that long, for everybody.
    """
    if isinstance(error, OverloadedError) and error.seconds:
        GATE.hold(error.seconds, str(error).partition(": ")[0])
    seconds = min(_MOST_SECONDS, _FIRST_SECONDS * 2 ** (failures - 1))
    sleep(seconds * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
