"""A sweep from settings to a published dataset."""

import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

import ray

from gated_ray.architectures.rules import load_rules
from gated_ray.cluster.driver import Driver
from gated_ray.cluster.events import emit, events_alone_on_stdout
from gated_ray.cluster.failures import Failure
from gated_ray.cluster.notes import unused_rules
from gated_ray.cluster.plan import ModelPlan, PlannedModel
from gated_ray.cluster.planner import Planner
from gated_ray.cluster.pool import Pool
from gated_ray.cluster.progress import Progress
from gated_ray.cluster.session import connect, ray_address
from gated_ray.cluster.stopping import Stop, stopping
from gated_ray.cluster.summary import summarise, what_is_left
from gated_ray.cluster.tables import print_plan
from gated_ray.errors import GatedRayError, InputError, StoppedError
from gated_ray.settings import SweepSettings
from gated_ray.store.keys import Partition
from gated_ray.store.objects import Objects, open_objects
from gated_ray.store.profiles import claim_profile, read_profile
from gated_ray.store.publication import published

_WAIT_SECONDS = 1.0
_BEFORE_WORK = "before the first unit; run the same command again"


@dataclass(frozen=True)
class SweepResult:
    """What a sweep did.

    Attributes:
        models: every model that could be planned, and how much of it remained to be done.
        failures: everything asked for that is not in the store.
        units_done: units that the store lacked when their model was planned, those that failed included.
        stop: where a signal came, though all was done by then.
    """

    models: tuple[PlannedModel, ...]
    failures: tuple[Failure, ...]
    units_done: int
    stop: StoppedError | None = None


def run_sweep(settings: SweepSettings) -> SweepResult:
    """Measure every model asked for that the store does not hold, and publish them.

    Prints the plan or the progress and the summary; failures are printed one a line. With ``dry_run`` nothing is written.

    Raises:
        InputError: no models asked for, or `architectures.extra` is no file of rules, or no Ray to work with.
        StoreError: the store cannot be used, or holds this profile with other settings.
        StoppedError: SIGINT or SIGTERM came before all was done.
    """
    if not settings.models.refs:
        raise InputError("no models asked for: set 'models.refs=[org/name]' or models=demo, paper or paper_plain")
    started = time.monotonic()
    load_rules(settings.architectures.extra)  # a broken file is one error, not one a model
    objects = open_objects(settings.store)
    settings = replace(settings, store=replace(settings.store, url=objects.url))  # absolute, for workers elsewhere
    if not settings.dry_run:
        objects.check_writable()
    if not settings.dry_run or read_profile(objects, settings.profile.name):  # a known one is compared, not written
        claim_profile(objects, settings.profile)
    if settings.dry_run:
        return _dry_run(settings, objects)
    with events_alone_on_stdout() if settings.log == "json" else nullcontext(), stopping() as stop:
        driver = _drive(settings, objects, stop)
        ledger, order = driver.ledger, driver.planner.order
        models = tuple(sorted(ledger.models.values(), key=lambda model: order[model.reference]))
        failures = tuple(sorted(ledger.failures.values(), key=lambda failure: order[failure.reference]))
        done = [model for model in models if ledger.is_done(model.partition)]
        # A store that is gone is not asked, nor does who is in a hurry wait for a table.
        summarise(None if driver.stopped else objects, done, failures, time.monotonic() - started, settings.log)
        _print_failures(failures, settings)
        if stop.asked and (ledger.left or driver.unplanned):
            raise stop.error(what_is_left(ledger.left, *ledger.units_left, driver.unplanned, settings.log))
        stopped = stop.error("after the last unit") if stop.asked else None
    return SweepResult(models, failures, sum(model.units_left for model in models), stopped)


def _drive(settings: SweepSettings, objects: Objects, stop: Stop) -> Driver:
    """Plan and run; Ray only where something remains to be done."""
    planner = Planner(settings, objects)
    progress = Progress(len(planner.order), settings.log)
    address = ray_address(settings.cluster.address)
    ours = False

    def hire(wait: Callable[[], tuple[int, int | None]]) -> Pool:
        nonlocal ours
        try:
            ours = connect(address, progress.say)
        except SystemExit as error:  # Ray's own answer to SIGTERM while it starts
            raise StoppedError(signal.SIGTERM, f"stopped by SIGTERM: {_BEFORE_WORK}") from error
        stop.listen()
        memory, tasks = wait()
        return Pool(settings, memory=memory, tasks=tasks)

    def is_intact(plan: ModelPlan) -> bool:
        try:
            return published(objects, plan.partition, plan.publishing.identity) is not None
        except StoppedError:
            raise
        except GatedRayError:  # publishing once more does no harm, and says what is wrong
            return False

    def notice_unused_rules(driver: Driver) -> None:
        if unused := _unused_rules(settings, tuple(driver.ledger.models.values()), len(driver.ledger.failures)):
            progress.say(unused)

    driver = Driver(settings.cluster, planner, hire, is_intact, notice_unused_rules, progress, stop)
    try:
        driver.run()
    finally:
        planner.close()
        progress.close()
        if ours:
            ray.shutdown()
    return driver


def _dry_run(settings: SweepSettings, objects: Objects) -> SweepResult:
    planner = Planner(settings, objects)
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
    if unused := _unused_rules(settings, models, len(failures)):
        print(unused, file=sys.stderr)
    if settings.log == "text":
        print_plan(models, failures)
    else:
        for model in models:
            emit("planned", model=model.partition.model, units=model.units_left, bytes=model.size_left)
        for failure in failures:
            emit("failed", message=failure.message, model=None, units=0, bytes=0)
    _print_failures(failures, settings)
    return SweepResult(models, failures, 0)


def _unused_rules(settings: SweepSettings, models: Sequence[PlannedModel], failures: int) -> str | None:
    extra = settings.architectures.extra
    return unused_rules(extra, load_rules(extra).own, [model.row for model in models], failures)


def _print_failures(failures: Sequence[Failure], settings: SweepSettings) -> None:
    for failure in failures:
        if settings.log == "text":
            print(f"FAILED {failure.message}", file=sys.stderr)
        if settings.debug and failure.traceback:
            print(failure.traceback, file=sys.stderr)
