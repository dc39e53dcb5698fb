"""A sweep in Ray's metrics, beside Ray's own: what the dashboard and Prometheus can show of it.

Everything is recorded by the driver, so the node that it runs on exports it, with ``ray_`` before the name.

| metric | kind | labels | what |
|---|---|---|---|
| `ray_gated_ray_units_total` | counter | `state`: `done`, `failed` | units |
| `ray_gated_ray_models_total` | counter | `state`: `published`, `failed` | models |
| `ray_gated_ray_bytes_read_total` | counter | | bytes of stored weights of the units done |
| `ray_gated_ray_tokens_total` | counter | | tokens of the units done, of activation statistics |
| `ray_gated_ray_seconds_total` | counter | `phase` | seconds of the workers |
| `ray_gated_ray_gigabytes_per_second` | gauge | | 10^9 bytes/s of the last 30 seconds; 0 when no sweep runs |
| `ray_gated_ray_tokens_per_second` | gauge | | tokens/s of the last 30 seconds, of activation statistics; 0 when none are taken |
| `ray_gated_ray_units_left` | gauge | | units of the models planned so far; 0 when no sweep runs |
"""

from collections import defaultdict
from collections.abc import Mapping

import ray
from ray.util.metrics import Counter, Gauge

from gated_ray.cluster.work_unit import WEIGHTS, WorkUnit

_TOTALS = {"bytes": "bytes_read", "tokens": "tokens"}
_MEANINGS = {"bytes": "Bytes of stored weights of the units done.", "tokens": "Tokens of the units done."}


class SweepMetrics:
    """The metrics of one sweep. Counters of several sweeps in one process add up, as Ray knows a metric by its name."""

    def __init__(self, unit: WorkUnit = WEIGHTS) -> None:
        self._units = Counter("gated_ray_units_total", "Units of work, by what came of them.", ("state",))
        self._models = Counter("gated_ray_models_total", "Models, by what came of them.", ("state",))
        self._size = Counter(f"gated_ray_{_TOTALS[unit.noun]}_total", _MEANINGS[unit.noun])
        self._seconds = Counter("gated_ray_seconds_total", "Seconds of the workers, by phase.", ("phase",))
        self._speed = Gauge(f"gated_ray_{unit.speed}", f"{unit.speed.replace('_', ' ')} of the last 30 seconds.")
        self._units_left = Gauge("gated_ray_units_left", "Units of the models planned so far that are not done.")
        self._waiting: dict[tuple[Counter, tuple[tuple[str, str], ...]], float] = defaultdict(float)

    def count_done(self, size: int) -> None:
        """A unit of this size is in the store."""
        self._count(self._units, 1, ("state", "done"))
        self._count(self._size, size)

    def count_failed(self, units: int) -> None:
        """Units are given up."""
        self._count(self._units, units, ("state", "failed"))

    def count_published(self) -> None:
        """A model is published."""
        self._count(self._models, 1, ("state", "published"))

    def count_failed_model(self) -> None:
        """A model will not be published."""
        self._count(self._models, 1, ("state", "failed"))

    def count_seconds(self, phases: Mapping[str, float]) -> None:
        """What a worker spent its time on."""
        for phase, seconds in phases.items():
            self._count(self._seconds, seconds, ("phase", phase))

    def refresh(self, speed: float, units_left: int) -> None:
        """Hand everything to Ray. Before Ray runs, what was counted waits, because Ray would drop it."""
        if not ray.is_initialized():
            return
        for (counter, labels), value in self._waiting.items():
            if value > 0:  # Ray refuses to count nothing
                counter.inc(value, dict(labels))
        self._waiting.clear()
        self._speed.set(speed)
        self._units_left.set(units_left)

    def close(self) -> None:
        """No sweep runs any more."""
        self.refresh(0.0, 0)

    def _count(self, counter: Counter, value: float, *labels: tuple[str, str]) -> None:
        self._waiting[counter, labels] += value
