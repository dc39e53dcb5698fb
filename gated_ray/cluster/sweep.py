"""A sweep from settings to a published dataset."""

import sys
import time
from dataclasses import dataclass, replace

import pyarrow as pa
import ray

from gated_ray.architectures.rules import load_rules
from gated_ray.cluster.capacity import memory_needed
from gated_ray.cluster.driver import Driver
from gated_ray.cluster.notes import unused_rules
from gated_ray.cluster.plan import Failure, Plan, make_plan
from gated_ray.cluster.pool import Pool
from gated_ray.cluster.progress import Progress
from gated_ray.cluster.session import connect
from gated_ray.cluster.tables import print_plan, print_summary
from gated_ray.errors import InputError
from gated_ray.settings import StoreSettings, SweepSettings
from gated_ray.store.catalogue import open_store
from gated_ray.store.objects import open_objects
from gated_ray.store.profiles import claim_profile, read_profile
from gated_ray.store.schemas import LAYERS, MODELS


@dataclass(frozen=True)
class SweepResult:
    """What a sweep did.

    Attributes:
        plan: what was asked for and what remained of it.
        failures: everything asked for that is not in the store.
        units_done: units that the store lacked when the sweep began, those that failed included.
    """

    plan: Plan
    failures: tuple[Failure, ...]
    units_done: int


def run_sweep(settings: SweepSettings) -> SweepResult:
    """Measure every model asked for that the store does not hold, and publish them.

    Prints the plan or the progress and the summary; failures are printed one a line. With ``dry_run`` nothing is written.

    Raises:
        InputError: no models asked for, or `architectures.extra` is no file of rules.
        StoreError: the store cannot be used, or holds this profile with other settings.
    """
    if not settings.models.refs:
        raise InputError("no models asked for: set 'models.refs=[org/name]' or models=demo, paper or paper_plain")
    started = time.monotonic()
    rules = load_rules(settings.architectures.extra)  # a broken file is one error, not one a model
    objects = open_objects(settings.store)
    settings = replace(settings, store=replace(settings.store, url=objects.url))  # absolute, for workers elsewhere
    if not settings.dry_run:
        objects.check_writable()
    if not settings.dry_run or read_profile(objects, settings.profile.name):  # a known one is compared, not written
        claim_profile(objects, settings.profile)
    plan = make_plan(settings, objects)
    rows = [model.publishing.model_row for model in plan.models]
    if unused := unused_rules(settings.architectures.extra, rules.own, rows, len(plan.failures)):
        print(unused, file=sys.stderr)
    if settings.dry_run:
        print_plan(plan)
        _print_failures(plan.failures, settings.debug)
        return SweepResult(plan, plan.failures, 0)
    units = [unit for model in plan.models for unit in model.remaining]
    failures = plan.failures + tuple(_execute(plan, settings))
    try:
        _summarise(plan, failures, settings.store, time.monotonic() - started)
    finally:  # what failed is said even where the store cannot be read back
        _print_failures(failures, settings.debug)
    return SweepResult(plan, failures, len(units))


def _execute(plan: Plan, settings: SweepSettings) -> list[Failure]:
    """Start workers and run the plan; without Ray where nothing remains."""
    units = [unit for model in plan.models for unit in model.remaining]
    if all(model.is_published for model in plan.models):
        return []
    ours = connect(settings.cluster.address)
    try:
        pool = Pool(settings, memory=memory_needed(units), tasks=len(units) or 1)
        progress = Progress(units)
        try:
            return Driver(settings.cluster.max_attempts, pool, progress).run(plan)
        finally:
            progress.close()
            pool.close()
    finally:
        if ours:
            ray.shutdown()


def _summarise(plan: Plan, failures: tuple[Failure, ...], store: StoreSettings, seconds: float) -> None:
    failed = {failure.reference for failure in failures}
    done = [model.partition for model in plan.models if model.reference not in failed]
    layers, models = LAYERS.empty_table(), MODELS.empty_table()
    if done:
        catalogue = open_store(store.url, store.endpoint_url)
        profile = done[0].profile
        layers = pa.concat_tables(catalogue.layers(each.model, each.revision, profile) for each in done)
        rows = catalogue.models().to_pylist()
        mine = [row for row in rows if any(each.columns.items() <= row.items() for each in done)]
        models = pa.Table.from_pylist(mine, schema=MODELS)
    print_summary(layers, models, failures, seconds)


def _print_failures(failures: tuple[Failure, ...], debug: bool) -> None:
    for failure in failures:
        print(f"FAILED {failure.message}", file=sys.stderr)
        if debug and failure.traceback:
            print(failure.traceback, file=sys.stderr)
