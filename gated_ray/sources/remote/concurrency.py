"""How many requests at once: what helps, found by trying."""

_STEPS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
_FIRST = _STEPS.index(4)
_EPOCH_SECONDS = 0.05
_EPOCH_PARTS = 2
"""Parts of each connection in an epoch, at least: the rate of fewer is that of the last ones to end."""
_DWELL = 16
"""Epochs at a number that was found better than both its neighbours, before they are tried again."""
_WORTH_MORE = 1.06
"""What a higher number must gain: more connections than needed cost CPU, and the server's patience."""
_WORTH_FEWER = 0.97
"""What a lower number must keep."""


class Concurrency:
    """The limit on requests at once. It starts at 4 and follows the rate that it measures, a step at a time.

    Only while as many are busy as may be: else the rate says nothing about the limit. Not safe for threads.
    """

    def __init__(self) -> None:
        self._at = _FIRST
        self._step = 1
        self._dwell = 2  # the first epoch opens connections and touches memory
        self._tried_from: float | None = None
        """The rate before the step that is being tried, bytes a second; None while it dwells."""
        self._refused = 0
        """Steps in a row that were not worth it."""
        self._last: float | None = None
        """When the last part came; None where nothing was on its way since."""
        self._begin()

    @property
    def limit(self) -> int:
        return _STEPS[self._at]

    def finished(self, size: int, now: float, busy: int, last: bool) -> None:
        """Take note of a part that has come.

        Args:
            size: its bytes.
            now: seconds of a clock that only goes forward.
            busy: requests that were on their way until now, this one included.
            last: whether nothing is left to be brought.
        """
        if self._last is not None and busy >= self.limit:
            self._seconds += now - self._last
            self._bytes += size
            self._parts += 1
            if self._seconds >= _EPOCH_SECONDS and self._parts >= _EPOCH_PARTS * self.limit:
                self._learn(self._bytes / self._seconds)
                self._begin()
        self._last = None if last else now

    def overloaded(self) -> None:
        """A server refused for now: fewer at once, and no more for a while."""
        self._at = max(0, self._at - 2)
        self._step, self._dwell, self._tried_from = 1, _DWELL, None
        self._begin()

    def _begin(self) -> None:
        self._seconds, self._bytes, self._parts = 0.0, 0, 0

    def _learn(self, rate: float) -> None:
        if self._tried_from is None:
            self._dwell -= 1
        elif rate >= self._tried_from * (_WORTH_MORE if self._step > 0 else _WORTH_FEWER):
            self._dwell = self._refused = 0
        else:
            self._at -= self._step
            self._step = -self._step
            self._refused += 1
            self._dwell = _DWELL if self._refused > 1 else 1
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
