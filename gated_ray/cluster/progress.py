"""What the user sees of a sweep while it runs."""

from collections.abc import Mapping
from time import monotonic

from gated_ray.cluster.bar import Bar
from gated_ray.cluster.events import emit
from gated_ray.cluster.metrics import SweepMetrics
from gated_ray.cluster.tally import Tally
from gated_ray.cluster.work_unit import WEIGHTS, WorkUnit
from gated_ray.lines import LINE_SECONDS


class _Events:
    """The numbers as events, now and then."""

    def __init__(self, tally: Tally, unit: WorkUnit) -> None:
        self._tally = tally
        self._unit = unit
        self._said = tally.started

    def refresh(self) -> None:
        now = monotonic()
        if now - self._said >= LINE_SECONDS:
            self._said = now
            self.close()

    def say(self, line: str) -> None:
        emit("notice", message=line)

    def close(self) -> None:
        tally, unit, now = self._tally, self._unit, monotonic()
        left = tally.seconds_left(now)
        sizes = {"planned": tally.size_planned, "done": tally.size_done, "failed": tally.size_failed}
        speeds = {unit.speed: tally.recent_speed, f"{unit.speed}_mean": tally.mean_speed(now)}
        emit(
            "progress",
            models_asked=tally.models_asked,
            models_planned=tally.models_planned,
            models_unplannable=tally.models_unplannable,
            models_unchanged=tally.models_unchanged,
            models_published=tally.models_published,
            models_failed=len(tally.failed),
            units_planned=tally.units_planned,
            units_done=tally.units_done,
            units_failed=tally.units_failed,
            **{f"{unit.noun}_{state}": size for state, size in sizes.items()},
            **{name: round(speed / unit.speed_scale, 9) for name, speed in speeds.items()},
            seconds_elapsed=round(now - tally.started, 3),
            seconds_left=None if left is None else round(left, 3),
        )


class Progress:
    """Counts what is planned, done and failed, and shows it: a bar or lines, or events, and Ray's metrics.

    Planning streams: how much there is to do grows while models are planned.

    Args:
        models: asked for.
        log: ``text``: a bar on stderr, or a line there every ten seconds where it is no terminal; ``json``: events on stdout.
        unit: of the work's size.
    """

    def __init__(self, models: int, log: str = "text", unit: WorkUnit = WEIGHTS) -> None:
        self.unit = unit
        self._tally = Tally(monotonic(), models)
        self._json = log == "json"
        self._view: Bar | _Events = _Events(self._tally, unit) if self._json else Bar(self._tally, unit)
        self._metrics = SweepMetrics(unit)

    def planned(self, model: str, units: int, size: int) -> None:
        """One more model is planned, with so much left to do; 0 units: the store holds them all."""
        self._tally.plan(model, units, size)
        self._tell("planned", model=model, units=units, **{self.unit.noun: size})

    def not_planned(self, message: str) -> None:
        """One that could not be planned."""
        self._tally.models_unplannable += 1
        self._fail(message, None, 0, 0)

    def done(self, size: int, phases: Mapping[str, float]) -> None:
        """One unit is in the store; the worker's seconds by phase."""
        self._tally.units_done += 1
        self._tally.size_done += size
        self._metrics.count_done(size)
        self._metrics.count_seconds(phases)

    def published(self, model: str, phases: Mapping[str, float] | None = None) -> None:
        """One model is published; the worker's seconds by phase."""
        self._tally.publish(model)
        self._metrics.count_published()
        self._metrics.count_seconds(phases or {})
        self._tell("published", model=model)

    def failed(self, message: str, units: int, size: int, model: str | None = None) -> None:
        """Something is given up: `units` (0 for a publication) of this size will not be done."""
        self._tally.units_failed += units
        self._tally.size_failed += size
        self._metrics.count_failed(units)
        self._fail(message, model, units, size)

    def again(self, units: int, size: int) -> None:
        """Units done before are to be done again."""
        self._tally.more(units, size)

    def under_way(self, size: int) -> None:
        """How much of the units in hand is done, where workers tell."""
        self._tally.size_under_way = size

    def refresh(self) -> None:
        """Show how far it is; to be called a few times a second."""
        self._tally.look(monotonic())
        self._metrics.refresh(self._tally.recent_speed / self.unit.speed_scale, self._tally.units_left)
        self._view.refresh()

    def say(self, line: str) -> None:
        """A notice of its own."""
        self._view.say(line)

    def close(self) -> None:
        """Show the state as it stands, for good."""
        self._tally.look(monotonic())
        self._view.close()
        self._metrics.close()

    def _fail(self, message: str, model: str | None, units: int, size: int) -> None:
        self._tally.failures += 1
        if (model or message) not in self._tally.failed:
            self._tally.failed.add(model or message)
            self._metrics.count_failed_model()
        self._tell("failed", message=message, model=model, units=units, **{self.unit.noun: size})

    def _tell(self, event: str, **fields: object) -> None:
        if self._json:
            emit(event, **fields)
