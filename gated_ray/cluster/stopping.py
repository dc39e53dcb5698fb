"""SIGINT (Ctrl-C) and SIGTERM (a preempted pod) as requests to stop, which a loop looks at when it suits it."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from gated_ray.errors import StoppedError

_LOOK_SECONDS = 0.1
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """Whether the process was asked to stop, and by what."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._since = 0.0

    @property
    def asked(self) -> bool:
        return self.signal is not None

    @property
    def seconds(self) -> float:
        """Since it was asked to; 0 where it was not."""
        return time.monotonic() - self._since if self.asked else 0.0

    @property
    def reason(self) -> str:
        return f"stopped by {self.signal.name}" if self.signal else ""

    def wait(self, seconds: float) -> bool:
        """Sleep until the time is over or the process is asked to stop; whether it is."""
        end = time.monotonic() + seconds
        # Not by an Event: its lock may be held where a signal is heard, which would then wait for itself.
        while not self.asked and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _LOOK_SECONDS))
        return self.asked

    def listen(self) -> None:
        """Take the signals, from whoever had them; `ray.init` takes SIGTERM. Only the main thread can."""
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                signal.signal(number, self._hear)

    def error(self, message: str) -> StoppedError:
        """The end of a job that was asked to stop."""
        return StoppedError(self.signal or signal.SIGINT, f"{self.reason}: {message}")

    def _hear(self, number: int, _: FrameType | None) -> None:
        if self.asked:  # asked twice: whoever asks is in a hurry
            raise self.error("at once; what is done is kept, run the same command again to go on")
        self.signal, self._since = signal.Signals(number), time.monotonic()


@contextmanager
def stopping() -> Iterator[Stop]:
    """Listen while the block runs. A second signal raises `StoppedError` wherever the main thread is."""
    is_main = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in _SIGNALS} if is_main else {}
    stop = Stop()
    stop.listen()
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
