"""A sweep in this process, without Ray: the driver's plan, done by one worker."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from gated_ray.cluster.worker import Worker
from gated_ray.settings import ProfileSettings, StoreSettings, VerifySettings
from gated_ray.store.objects import Objects, open_objects
from gated_ray.store.profiles import claim_profile
from gated_ray.store.verify import verify_store
from gated_ray.verification import SourceVerification, verify_sources
from tests.cluster.planning import make_plan
from tests.cluster.sweeping import QUICK, sweep_settings


def sweep_alone(
    store: Path,
    *models: Path | str,
    profile: ProfileSettings = QUICK,
    endpoint_url: str | None = None,
    **cluster: Any,
) -> Objects:
    """Measure and publish `models`; `cluster` are keys of `ClusterSettings`."""
    settings = sweep_settings(store, models, profile, **cluster)
    settings = replace(settings, models=replace(settings.models, endpoint_url=endpoint_url))
    objects = open_objects(settings.store)
    claim_profile(objects, profile)
    plan = make_plan(settings, objects)
    assert not plan.failures, plan.failures[0].message
    worker = Worker(settings.store, profile, threads=1)
    for model in plan.models:
        receipts = [*map(worker.measure, model.units), worker.publish(model.publishing)]
        assert [receipt.error for receipt in receipts] == [None] * len(receipts)
    return objects


def check_sources(store: Path, **settings: Any) -> SourceVerification:
    """What ``jobs.verify source=true`` finds at the sources, by default of every range; `settings` are keys of `VerifySettings`."""
    verify = VerifySettings(StoreSettings(url=str(store)), **{"sample": None, **settings})
    objects = open_objects(verify.store)
    return verify_sources(objects, verify_store(objects).publications, verify)
