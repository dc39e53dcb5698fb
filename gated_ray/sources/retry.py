"""Trying again what may pass."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from gated_ray.errors import TransientError

_ATTEMPTS = 5
_FIRST_SECONDS = 0.5

T = TypeVar("T")


def retried(call: Callable[[], T]) -> T:
    """Call until it does not raise `TransientError`, at most five times, with doubling pauses and jitter."""
    for attempt in range(_ATTEMPTS - 1):
        try:
            return call()
        except TransientError:
            time.sleep(_FIRST_SECONDS * 2**attempt * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
    return call()
