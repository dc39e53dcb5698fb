"""`run_sweep` in this process, without Ray: the planner's plan, done by one worker. Starting workers takes seconds a sweep."""

from gated_ray.cluster.failures import Failure
from gated_ray.cluster.result import SweepResult
from gated_ray.cluster.worker import Worker
from gated_ray.settings import SweepSettings
from gated_ray.store.objects import open_objects
from gated_ray.store.profiles import claim_profile
from tests.cluster.planning import make_plan


def sweep_alone(settings: SweepSettings) -> SweepResult:
    """As `run_sweep`, but for its retries and what it prints."""
    objects = open_objects(settings.store)
    claim_profile(objects, settings.profile)
    plan = make_plan(settings, objects)
    worker = Worker(settings.store, settings.profile, threads=1)
    failures = list(plan.failures)
    for model in plan.models:
        if model.is_published:
            continue
        receipts = [worker.measure(unit) for unit in model.remaining]
        if not any(receipt.error for receipt in receipts):
            receipts.append(worker.publish(model.publishing))
        if failed := next((receipt for receipt in receipts if receipt.error), None):
            failures.append(Failure(model.reference, f"{model.reference}: {failed.error}", kind=failed.kind))
    models = tuple(model.record() for model in plan.models)
    return SweepResult(models, tuple(failures), sum(model.units_left for model in models))
