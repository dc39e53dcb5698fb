"""What the driver adds to a unit: 2,000 units that do nothing, through real Ray."""

import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import ray

from gated_ray.cluster import planner as planner_module
from gated_ray.cluster.driver import Driver
from gated_ray.cluster.plan import ModelPlan, plan_model
from gated_ray.cluster.planner import Planner
from gated_ray.cluster.pool import Pool
from gated_ray.cluster.progress import Progress
from gated_ray.cluster.session import connect
from gated_ray.cluster.stopping import Stop
from gated_ray.cluster.units import PackedUnit, Receipt
from gated_ray.cluster.work import Need, Publishing
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

    def measure(self, unit: PackedUnit) -> Receipt:
        return Receipt()

    def publish(self, task: Publishing) -> Receipt:
        return Receipt()


def _many_units(settings: SweepSettings) -> ModelPlan:
    """A real plan that has its first unit 2,000 times, under as many keys."""
    plan = plan_model(settings.models.refs[0], settings, open_objects(settings.store))
    units = tuple(replace(plan.units[0], key=UnitKey(layer, "mlp")) for layer in range(_UNITS))
    publishing = replace(plan.publishing, units=tuple(unit.key for unit in units))
    return replace(plan, publishing=publishing, units=units, remaining=units)


def _floor(pool: Pool, units: tuple[PackedUnit, ...]) -> float:
    """Seconds for the same calls without a driver: all sent to one actor, then awaited."""
    actor = pool.slots[0].actor
    ray.get(actor.ping.remote())
    started = time.perf_counter()
    ray.get([actor.measure.remote(unit) for unit in units])
    return time.perf_counter() - started


def _drive(settings: SweepSettings, plan: ModelPlan, pool: Pool) -> tuple[Driver, float]:
    """The driver when it is done, and the seconds that it took."""
    progress = Progress(1)
    with patch.object(planner_module, "plan_model", lambda *_: plan):
        planner = Planner(settings, open_objects(settings.store))
        driver = Driver(
            settings.cluster,
            planner,
            hire=lambda _: pool,
            is_intact=lambda _: True,
            when_planned=lambda _: None,
            progress=progress,
            stop=Stop(),
        )
        started = time.perf_counter()
        driver.run()
        seconds = time.perf_counter() - started
    progress.close()
    return driver, seconds


def run() -> list[Ratio]:
    """The ratios of this benchmark."""
    with TemporaryDirectory() as scratch:
        settings = SweepSettings(
            models=ModelsSettings(refs=[str(_MODEL)]), store=StoreSettings(url=scratch), profile=ProfileSettings()
        )
        plan = _many_units(settings)
        connect("local", say=print)
        try:
            pool = Pool(
                settings, memory=Need().with_work(plan.units).memory, tasks=_UNITS, actor_class=ray.remote(_Idle)
            )
            floor = _floor(pool, plan.units)
            driver, seconds = _drive(settings, plan, pool)
        finally:
            ray.shutdown()
    if driver.failures:
        raise RuntimeError(next(iter(driver.failures.values())).message)
    added = 1e3 * (seconds - floor) / _UNITS
    detail = f"{1e3 * seconds / _UNITS:.2f} ms a unit, {1e3 * floor / _UNITS:.2f} ms for the bare calls"
    return [Ratio("driver, added to a unit", added, "ms", 5.0, detail)]
