"""Activation statistics of many models, from settings to published tables."""

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace

from gated_ray.architectures.rules import load_rules
from gated_ray.cluster.asking import Inquiry
from gated_ray.cluster.capacity import with_all_cpus
from gated_ray.cluster.driver import Driver
from gated_ray.cluster.driving import drive
from gated_ray.cluster.dry_run import dry_run
from gated_ray.cluster.events import events_alone_on_stdout
from gated_ray.cluster.failures import Failure
from gated_ray.cluster.plan import PlannedModel
from gated_ray.cluster.planner import Planner
from gated_ray.cluster.pool import Pool
from gated_ray.cluster.result import SweepResult, conclude, print_failures
from gated_ray.cluster.statistics_plan import plan_statistics
from gated_ray.cluster.statistics_summary import STATISTICS, print_statistics_plan
from gated_ray.cluster.statistics_worker import StatisticsActor
from gated_ray.cluster.stopping import stopping
from gated_ray.cluster.summary import summarise
from gated_ray.cluster.work_unit import TOKENS
from gated_ray.errors import InputError
from gated_ray.settings import ActivationsSettings
from gated_ray.store.objects import open_objects
from gated_ray.store.profiles import claim_profile, read_profile


def run_activations(settings: ActivationsSettings) -> SweepResult:
    """Take the statistics of every model asked for that the store does not hold, and publish them.

    Texts are tokenized first where their tokens are missing. Prints the plan or the progress and the summary; failures are
    printed one a line.

    Raises:
        InputError: no models or no texts asked for, or `architectures.extra` is no file of rules, or no Ray to work with.
        StoreError: the store cannot be used, or holds this profile or these statistics with other settings.
        StoppedError: SIGINT or SIGTERM came before all was done.
    """
    if not settings.models.refs:
        raise InputError("no models asked for: set 'models.refs=[org/name]'")
    data = settings.data
    if data.text is None and data.tokens is None and data.token_ids is None:
        raise InputError("no texts: set data.text=PATH, data.tokens=URL or data.token_ids=FILE")
    started = time.monotonic()
    load_rules(settings.architectures.extra)
    objects = open_objects(settings.store)
    settings = replace(settings, store=replace(settings.store, url=objects.url))  # absolute, for workers elsewhere
    objects.check_writable()
    if not settings.dry_run or read_profile(objects, settings.profile.name):  # a known one is compared, not written
        claim_profile(objects, settings.profile)
    if settings.dry_run:
        result = dry_run(Planner(settings, objects, plan_statistics), settings, print_statistics_plan, TOKENS)
        print_failures(result.failures, settings)
        return result
    with events_alone_on_stdout() if settings.log == "json" else nullcontext(), stopping() as stop:
        planner = Planner(settings, objects, plan_statistics)
        driver = drive(settings, objects, planner, _hire, stop, _notice_nothing, TOKENS, Inquiry())

        def say(done: Sequence[PlannedModel], failures: Sequence[Failure]) -> None:
            seconds = time.monotonic() - started
            summarise(None if driver.stopped else objects, done, failures, seconds, settings.log, STATISTICS)

        return conclude(driver, settings, stop, say)


def _hire(settings: ActivationsSettings, memory: int, tasks: int | None) -> Pool:
    cluster = with_all_cpus(settings.cluster, memory, tasks)
    return Pool(replace(settings, cluster=cluster), memory, tasks, StatisticsActor)


def _notice_nothing(_: Driver) -> None:
    pass
