"""How a sweep ends: what it did, what failed, what a stop left."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gated_ray.cluster.driver import Driver
from gated_ray.cluster.failures import Failure
from gated_ray.cluster.plan import PlannedModel
from gated_ray.cluster.stopping import Stop
from gated_ray.cluster.summary import what_is_left
from gated_ray.errors import StoppedError
from gated_ray.settings import ActivationsSettings, SweepSettings
from gated_ray.store.keys import Partition


@dataclass(frozen=True)
class SweepResult:
    """What a sweep did.

    Attributes:
        models: every model that could be planned, and how much of it remained to be done.
        failures: everything asked for that is not in the store.
        units_done: units that the store lacked when their model was planned, those that failed included.
        stop: where a signal came, though all was done by then.
        published: of the models that are in the store now.
    """

    models: tuple[PlannedModel, ...]
    failures: tuple[Failure, ...]
    units_done: int
    stop: StoppedError | None = None
    published: tuple[Partition, ...] = ()


def conclude(
    driver: Driver,
    settings: SweepSettings | ActivationsSettings,
    stop: Stop,
    say: Callable[[Sequence[PlannedModel], Sequence[Failure]], None],
) -> SweepResult:
    """Tell what became of the models, and of those that a stop left.

    Args:
        driver: that has run.
        settings: of the job.
        stop: whether one was asked for.
        say: tells of the models that are done; failures are printed after.

    Raises:
        StoppedError: SIGINT or SIGTERM came before all was done.
    """
    ledger, order = driver.ledger, driver.planner.order
    models = tuple(sorted(ledger.models.values(), key=lambda model: order[model.reference]))
    failures = tuple(sorted(ledger.failures.values(), key=lambda failure: order[failure.reference]))
    done = [model for model in models if ledger.is_done(model.partition)]
    say(done, failures)
    print_failures(failures, settings)
    if stop.asked and (ledger.left or driver.unplanned):
        raise stop.error(
            what_is_left(ledger.left, *ledger.units_left, driver.unplanned, settings.log, driver.progress.unit)
        )
    stopped = stop.error("after the last unit") if stop.asked else None
    units_done = sum(model.units_left for model in models)
    return SweepResult(models, failures, units_done, stopped, tuple(model.partition for model in done))


def print_failures(failures: Sequence[Failure], settings: SweepSettings | ActivationsSettings) -> None:
    """A line each, and with ``debug`` where it came from; as events they were told when they happened."""
    for failure in failures:
        if settings.log == "text":
            print(f"FAILED {failure.message}", file=sys.stderr)
        if settings.debug and failure.traceback:
            print(failure.traceback, file=sys.stderr)
