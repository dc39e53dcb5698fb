"""A sweep from settings to a published dataset."""

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace

from gated_ray.architectures.rules import load_rules
from gated_ray.cluster.driver import Driver
from gated_ray.cluster.driving import drive
from gated_ray.cluster.dry_run import dry_run
from gated_ray.cluster.events import events_alone_on_stdout
from gated_ray.cluster.failures import Failure
from gated_ray.cluster.notes import unused_rules
from gated_ray.cluster.plan import PlannedModel
from gated_ray.cluster.planner import Planner
from gated_ray.cluster.pool import Pool
from gated_ray.cluster.result import SweepResult, conclude, print_failures
from gated_ray.cluster.stopping import stopping
from gated_ray.cluster.summary import GEOMETRY, summarise
from gated_ray.cluster.tables import print_plan
from gated_ray.cluster.work_unit import WEIGHTS
from gated_ray.errors import InputError
from gated_ray.settings import SweepSettings
from gated_ray.store.objects import open_objects
from gated_ray.store.profiles import claim_profile, read_profile


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
        result = dry_run(Planner(settings, objects), settings, print_plan, WEIGHTS)
        if unused := _unused_rules(settings, result.models, len(result.failures)):
            print(unused, file=sys.stderr)
        print_failures(result.failures, settings)
        return result
    with events_alone_on_stdout() if settings.log == "json" else nullcontext(), stopping() as stop:
        driver = drive(settings, objects, Planner(settings, objects), Pool, stop, _notice_unused_rules(settings))

        def say(done: Sequence[PlannedModel], failures: Sequence[Failure]) -> None:
            # A store that is gone is not asked, nor does who is in a hurry wait for a table.
            seconds = time.monotonic() - started
            summarise(None if driver.stopped else objects, done, failures, seconds, settings.log, GEOMETRY)

        return conclude(driver, settings, stop, say)


def _notice_unused_rules(settings: SweepSettings) -> Callable[[Driver], None]:
    def notice(driver: Driver) -> None:
        if unused := _unused_rules(settings, tuple(driver.ledger.models.values()), len(driver.ledger.failures)):
            driver.progress.say(unused)

    return notice


def _unused_rules(settings: SweepSettings, models: Sequence[PlannedModel], failures: int) -> str | None:
    extra = settings.architectures.extra
    return unused_rules(extra, load_rules(extra).own, [model.row for model in models], failures)
