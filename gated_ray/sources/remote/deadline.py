"""An end to calls of libraries that only limit the wait for the next byte."""

import threading
from collections.abc import Callable
from typing import TypeVar

from gated_ray.errors import TransientError

_SECONDS = 120.0

T = TypeVar("T")


def within(what: str, call: Callable[[], T], seconds: float | None = None) -> T:
    """What `call` returns or raises, if it does so in time.

    It runs in a thread of its own, which is left behind where it takes longer: a server that sends a byte now and then
    would hold it for ever.

    Args:
        what: who does not answer, for the message.
        seconds: two minutes by default.

    Raises:
        TransientError: it took longer.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:  # noqa: BLE001 - raised again below
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(_SECONDS if seconds is None else seconds)
    if errors:
        raise errors[0]
    if not results:
        raise TransientError(f"{what}: no complete answer within {_SECONDS if seconds is None else seconds:.0f} s")
    return results[0]
