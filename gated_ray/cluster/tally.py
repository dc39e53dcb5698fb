"""The numbers of a sweep while it runs."""

from collections import Counter, deque
from dataclasses import dataclass, field

RECENT_SECONDS = 30
"""What the present speed is the mean of: units may take seconds each, and arrive in bursts."""


@dataclass
class Tally:
    """Counts of models, units and bytes of stored weights, and what follows from them.

    Attributes:
        started: on the clock that every `now` below is of, seconds.
        models_asked: to be planned.
    """

    started: float
    models_asked: int
    models_planned: int = 0
    models_unplannable: int = 0
    models_published: int = 0
    units_planned: int = 0
    units_done: int = 0
    units_failed: int = 0
    bytes_planned: int = 0
    bytes_done: int = 0
    bytes_failed: int = 0
    failures: int = 0
    """Models that could not be planned, units and publications given up."""
    models_unchanged: int = 0
    """Planned ones of which nothing was left to do."""
    failed: set[str] = field(default_factory=set)
    """Models, or where the model is not known the messages, that something was given up of."""
    _unpublished: Counter[str] = field(default_factory=Counter)
    """Models whose units were not all there: how often each, as two revisions have one name."""
    _bytes_found: int = 0
    _seen: deque[tuple[float, int]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self._seen.append((self.started, 0))

    def plan(self, model: str, units: int, size: int) -> None:
        """One more model is planned."""
        self.models_planned += 1
        if units:
            self._unpublished[model] += 1
        else:
            self.models_unchanged += 1
        self._bytes_found += size
        self.more(units, size)

    def more(self, units: int, size: int) -> None:
        """There is more to do."""
        self.units_planned += units
        self.bytes_planned += size

    def publish(self, model: str) -> None:
        """One more model is published."""
        self.models_published += 1
        if self._unpublished[model]:
            self._unpublished[model] -= 1
        else:  # its units were all there, its publication was not
            self.models_unchanged -= 1

    @property
    def is_planning(self) -> bool:
        return self.models_planned + self.models_unplannable < self.models_asked

    @property
    def units_left(self) -> int:
        """Of the models planned so far."""
        return self.units_planned - self.units_done - self.units_failed

    @property
    def models_to_publish(self) -> int:
        return self.models_asked - self.models_unchanged

    @property
    def bytes_expected(self) -> int | None:
        """Bytes done and to be done; models still to be planned count as the mean of the planned ones. None before the first."""
        known = self.bytes_planned - self.bytes_failed
        if not self.is_planning:
            return known
        if not self.models_planned:
            return None
        unknown = self.models_asked - self.models_planned - self.models_unplannable
        return known + unknown * self._bytes_found // self.models_planned

    def look(self, now: float) -> None:
        """Remember how far it is, for the speed of the last seconds."""
        self._seen.append((now, self.bytes_done))
        while len(self._seen) > 2 and self._seen[1][0] <= now - RECENT_SECONDS:
            self._seen.popleft()

    @property
    def recent_speed(self) -> float:
        """Bytes a second in the `RECENT_SECONDS` before the last look."""
        (then, before), (now, bytes_done) = self._seen[0], self._seen[-1]
        return (bytes_done - before) / (now - then) if now > then else 0.0

    def mean_speed(self, now: float) -> float:
        """Bytes a second since the start."""
        return self.bytes_done / (now - self.started) if now > self.started else 0.0

    def seconds_left(self, now: float) -> float | None:
        """At the mean speed; None where there is no telling."""
        speed, expected = self.mean_speed(now), self.bytes_expected
        if expected is None or not speed:
            return None if self.is_planning or self.units_left else 0.0
        return (expected - self.bytes_done) / speed
