"""The whole plan of a sweep at once, for a look at it."""

from dataclasses import dataclass

from gated_ray.cluster.failures import Failure
from gated_ray.cluster.plan import ModelPlan
from gated_ray.cluster.planner import Planned, Planner
from gated_ray.settings import SweepSettings
from gated_ray.store.objects import Objects


@dataclass(frozen=True)
class Plan:
    """Every model asked for, planned or failed, in the order asked for; the same model once."""

    models: tuple[ModelPlan, ...]
    failures: tuple[Failure, ...]


def make_plan(settings: SweepSettings, objects: Objects) -> Plan:
    planner = Planner(settings, objects)
    planned: list[Planned] = []
    while not planner.is_over:
        planned += planner.take(seconds=60)
    planned.sort(key=lambda each: planner.order[each.reference])
    models: dict[object, ModelPlan] = {}
    for each in planned:
        if isinstance(each, ModelPlan):
            models.setdefault(each.partition, each)
    return Plan(tuple(models.values()), tuple(each for each in planned if isinstance(each, Failure)))
