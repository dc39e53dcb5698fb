"""The numbers of a sweep while it runs."""

from collections import Counter, deque
from dataclasses import dataclass, field

RECENT_SECONDS = 30
"""What the present speed is the mean of: units may take seconds each, and arrive in bursts."""


@dataclass
class Tally:
    """Counts of models, of units and of their size in bytes of stored weights or in tokens, and what follows from them.

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
    size_planned: int = 0
    size_done: int = 0
    size_failed: int = 0
    size_under_way: int = 0
    """What is done of units in hand."""
    failures: int = 0
    """Models that could not be planned, units and publications given up."""
    models_unchanged: int = 0
    """Planned ones of which nothing was left to do."""
    failed: set[str] = field(default_factory=set)
    """Models, or where the model is not known the messages, that something was given up of."""
    _unpublished: Counter[str] = field(default_factory=Counter)
    """Models whose units were not all there: how often each, as two revisions have one name."""
    _size_found: int = 0
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
        self._size_found += size
        self.more(units, size)

    def more(self, units: int, size: int) -> None:
        """There is more to do."""
        self.units_planned += units
        self.size_planned += size

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
    def size_expected(self) -> int | None:
        """Size done and to be done; models still to be planned count as the mean of the planned ones. None before the first."""
        known = self.size_planned - self.size_failed
        if not self.is_planning:
            return known
        if not self.models_planned:
            return None
        unknown = self.models_asked - self.models_planned - self.models_unplannable
        return known + unknown * self._size_found // self.models_planned

    @property
    def size_shown(self) -> int:
        """Done, parts of units included."""
        return self.size_done + self.size_under_way

    def look(self, now: float) -> None:
        """Remember how far it is, for the speed of the last seconds."""
        self._seen.append((now, self.size_shown))
        while len(self._seen) > 2 and self._seen[1][0] <= now - RECENT_SECONDS:
            self._seen.popleft()

    @property
    def recent_speed(self) -> float:
        """Size a second in the `RECENT_SECONDS` before the last look."""
        (then, before), (now, size_done) = self._seen[0], self._seen[-1]
        return (size_done - before) / (now - then) if now > then else 0.0

    def mean_speed(self, now: float) -> float:
        """Size a second since the start."""
        return self.size_shown / (now - self.started) if now > self.started else 0.0

    def seconds_left(self, now: float) -> float | None:
        """At the mean speed; None where there is no telling."""
        speed, expected = self.mean_speed(now), self.size_expected
        if expected is None or not speed:
            return None if self.is_planning or self.units_left else 0.0
        return (expected - self.size_shown) / speed
