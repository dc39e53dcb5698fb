"""The one place where this process waits for a server that asked it to: all requests wait, not only the refused one."""

import sys
import threading
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import sleep

_MOST_SECONDS = 300.0
"""The Hub counts requests in windows of five minutes. A server that asks for more is asked again after this."""
_SAID_SECONDS = 5.0


class RateLimitGate:
    """Closed for as long as a server asked for, then open again."""

    def __init__(self) -> None:
        self._open_at = 0.0
        self._lock = threading.Lock()

    def hold(self, seconds: float, what: str) -> None:
        """Let nobody pass for so long, five minutes at most; said on stderr where it is long enough to be noticed.

        Args:
            what: whose server asked, for the message.
        """
        seconds = min(seconds, _MOST_SECONDS)
        until = time.monotonic() + seconds
        with self._lock:
            longer = until > self._open_at + _SAID_SECONDS
            self._open_at = max(self._open_at, until)
        if longer and seconds >= _SAID_SECONDS:
            print(f"{what}: the server asks to wait {seconds:.0f} s", file=sys.stderr, flush=True)

    def wait(self) -> None:
        """Pass, or sleep until the gate opens."""
        if (left := self._open_at - time.monotonic()) > 0:
            sleep(left)


GATE = RateLimitGate()


def seconds_asked(retry_after: str | None) -> float:
    """What a ``Retry-After`` header asks for, in seconds from now; 0 for none, or one that cannot be read.

    Both forms of RFC 9110 section 10.2.3 are read: seconds and a date.
    """
    if not retry_after:
        return 0.0
    if retry_after.isascii() and retry_after.isdecimal():
        return float(retry_after[:9])
    try:
        at = parsedate_to_datetime(retry_after)
    except (ValueError, OverflowError):
        return 0.0
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())
