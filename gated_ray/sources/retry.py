"""Trying again what may pass."""

import random
from collections.abc import Callable
from time import sleep
from typing import TypeVar

from gated_ray.errors import TransientError

_ATTEMPTS = 5
_FIRST_SECONDS = 0.5
_MOST_ASKED_SECONDS = 60

T = TypeVar("T")


class OverloadedError(TransientError):
    """A server refused for now, and may have said for how many seconds."""

    def __init__(self, message: str, retry_after: str | None = None) -> None:
        """`retry_after` is the header of that name; its other form, a date, counts as none."""
        super().__init__(message)
        self.seconds = float(retry_after) if retry_after and retry_after.isdecimal() else 0.0


def retried(call: Callable[[], T], on: type[TransientError] = TransientError) -> T:
    """Call until it does not raise `on`, at most five times, with doubling pauses and jitter.

    A server that asks for a longer pause gets it, up to a minute.
    """
    for attempt in range(_ATTEMPTS - 1):
        try:
            return call()
        except on as error:
            asked = error.seconds if isinstance(error, OverloadedError) else 0.0
            pause = _FIRST_SECONDS * 2**attempt * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
            sleep(max(pause, min(asked, _MOST_ASKED_SECONDS)))
    return call()
