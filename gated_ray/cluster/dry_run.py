"""``dry_run=true``: plan every model, say what there is to do, and do nothing."""

from collections.abc import Callable, Sequence

from gated_ray.cluster.events import emit
from gated_ray.cluster.failures import Failure
from gated_ray.cluster.plan import PlannedModel
from gated_ray.cluster.planner import Planner
from gated_ray.cluster.result import SweepResult
from gated_ray.cluster.work_unit import WorkUnit
from gated_ray.settings import ActivationsSettings, SweepSettings
from gated_ray.store.keys import Partition

_WAIT_SECONDS = 1.0


def dry_run(
    planner: Planner,
    settings: SweepSettings | ActivationsSettings,
    show: Callable[[Sequence[PlannedModel], Sequence[Failure]], None],
    unit: WorkUnit,
) -> SweepResult:
    """Plans and failures in the order of the references, shown or told of as events; who asks prints the failures.

    Args:
        planner: of all references.
        settings: say how to tell.
        show: prints the plan.
        unit: of the work's size.
    """
    records: dict[Partition, PlannedModel] = {}
    failed: list[Failure] = []
    while not planner.is_over:
        for each in planner.take(_WAIT_SECONDS):
            if isinstance(each, Failure):
                failed.append(each)
            else:
                records.setdefault(each.partition, each.record())
    models = tuple(sorted(records.values(), key=lambda model: planner.order[model.reference]))
    failures = tuple(sorted(failed, key=lambda failure: planner.order[failure.reference]))
    if settings.log == "text":
        show(models, failures)
    else:
        for model in models:
            emit("planned", model=model.partition.model, units=model.units_left, **{unit.noun: model.size_left})
        for failure in failures:
            emit("failed", message=failure.message, model=None, units=0, **{unit.noun: 0})
    return SweepResult(models, failures, 0)
