"""How many requests at once: what helps, found by trying."""

_STEPS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
_FIRST = _STEPS.index(4)
_EPOCH_SECONDS = 0.25
_EPOCH_PARTS = 2
"""Parts of each connection in an epoch, at least: the rate of fewer is that of the last ones to end."""
_DWELL = 8
"""Epochs at a number that was found good, before its neighbours are tried again."""
_WORTH_MORE = 1.06
"""What a higher number must gain: more connections than needed cost CPU, and the server's patience."""
_WORTH_FEWER = 0.97
"""What a lower number must keep."""


class Concurrency:
    """The limit on requests at once. It starts at 4 and follows the rate that it measures, a step at a time.

    Only while requests wait: with nothing to wait for, the rate says nothing about the limit. Not safe for threads.
    """

    def __init__(self) -> None:
        self._at = _FIRST
        self._step = 1
        self._dwell = 1
        self._tried_from: float | None = None
        """The rate before the step that is being tried, bytes a second; None while it dwells."""
        self._since: float | None = None
        self._bytes = 0
        self._parts = 0

    @property
    def limit(self) -> int:
        return _STEPS[self._at]

    def finished(self, size: int, now: float, waiting: bool) -> None:
        """Take note of a part that has come.

        Args:
            size: its bytes.
            now: seconds of a clock that only goes forward.
            waiting: whether others wait for a connection.
        """
        if not waiting:
            self._since = None
            return
        if self._since is None:
            self._begin(now)
            return
        self._bytes += size
        self._parts += 1
        seconds = now - self._since
        if seconds >= _EPOCH_SECONDS and self._parts >= _EPOCH_PARTS * self.limit:
            self._learn(self._bytes / seconds)
            self._begin(now)

    def overloaded(self) -> None:
        """A server refused for now: fewer at once, and no more for a while."""
        self._at = max(0, self._at - 2)
        self._step, self._dwell, self._tried_from, self._since = 1, _DWELL, None, None

    def _begin(self, now: float) -> None:
        self._since, self._bytes, self._parts = now, 0, 0

    def _learn(self, rate: float) -> None:
        if self._tried_from is None:
            self._dwell -= 1
        elif rate >= self._tried_from * (_WORTH_MORE if self._step > 0 else _WORTH_FEWER):
            self._dwell = 0
        else:
            self._at -= self._step
            self._step = -self._step
            self._dwell = _DWELL
            self._tried_from = None
            return
        self._tried_from = None
        if self._dwell <= 0:
            self._try(rate)

    def _try(self, rate: float) -> None:
        if not 0 <= self._at + self._step < len(_STEPS):
            self._step = -self._step
        self._at += self._step
        self._tried_from = rate
