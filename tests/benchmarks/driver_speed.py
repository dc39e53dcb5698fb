"""What the driver adds to a unit: 2,000 units that do nothing, through real Ray."""

import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import ray

from gated_ray.cluster.driver import Driver
from gated_ray.cluster.plan import Plan, make_plan
from gated_ray.cluster.pool import Pool
from gated_ray.cluster.progress import Progress
from gated_ray.cluster.session import connect
from gated_ray.cluster.units import Publishing, Receipt, Unit
from gated_ray.settings import ModelsSettings, ProfileSettings, StoreSettings, SweepSettings
from gated_ray.store.keys import UnitKey
from gated_ray.store.objects import open_objects
from tests.benchmarks.measure import Ratio

_UNITS = 2_000
_MODEL = Path(__file__).parent.parent / "data" / "tiny-docs-llama" / "main"


class _Idle:
    def __init__(self, store: StoreSettings, profile: ProfileSettings, threads: int) -> None:
        pass

    def ping(self) -> None:
        pass

    def measure(self, unit: Unit) -> Receipt:
        return Receipt()

    def publish(self, task: Publishing) -> Receipt:
        return Receipt()


def _many_units(settings: SweepSettings) -> Plan:
    """A real plan whose one model has its first unit 2,000 times, under as many keys."""
    plan = make_plan(settings, open_objects(settings.store))
    (model,) = plan.models
    units = tuple(replace(model.units[0], key=UnitKey(layer, "mlp")) for layer in range(_UNITS))
    publishing = replace(model.publishing, units=tuple(unit.key for unit in units))
    return replace(plan, models=(replace(model, publishing=publishing, units=units, remaining=units),))


def _floor(pool: Pool, units: tuple[Unit, ...]) -> float:
    """Seconds for the same calls without a driver: all sent to one actor, then awaited."""
    actor = pool.slots[0].actor
    ray.get(actor.ping.remote())
    started = time.perf_counter()
    ray.get([actor.measure.remote(unit) for unit in units])
    return time.perf_counter() - started


def run() -> list[Ratio]:
    """The ratios of this benchmark."""
    with TemporaryDirectory() as scratch:
        settings = SweepSettings(
            models=ModelsSettings(refs=[str(_MODEL)]), store=StoreSettings(url=scratch), profile=ProfileSettings()
        )
        plan = _many_units(settings)
        units = plan.models[0].units
        connect("local")
        try:
            pool = Pool(settings, memory=0, tasks=_UNITS, actor_class=ray.remote(_Idle))
            floor = _floor(pool, units)
            progress = Progress(units)
            started = time.perf_counter()
            failures = Driver(settings.cluster.max_attempts, pool, progress).run(plan)
            seconds = time.perf_counter() - started
            progress.close()
            pool.close()
        finally:
            ray.shutdown()
    if failures:
        raise RuntimeError(failures[0].message)
    added = 1e3 * (seconds - floor) / _UNITS
    detail = f"{1e3 * seconds / _UNITS:.2f} ms a unit, {1e3 * floor / _UNITS:.2f} ms for the bare calls"
    return [Ratio("driver, added to a unit", added, "ms", 5.0, detail)]
