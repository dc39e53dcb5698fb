"""Sweeps of folders into a folder, and what they must leave."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gated_ray.settings import ClusterSettings, ModelsSettings, ProfileSettings, StoreSettings, SweepSettings
from gated_ray.store.keys import TABLES
from gated_ray.store.objects import open_objects
from gated_ray.store.verify import verify_store

PARTITION = ("model_name", "model_revision", "profile_name")
QUICK = ProfileSettings(regions="none")


def sweep_settings(
    store: Path,
    models: Sequence[Path | str],
    profile: ProfileSettings = QUICK,
    *,
    debug: bool = False,
    dry_run: bool = False,
    **cluster: Any,
) -> SweepSettings:
    """Settings of a sweep of `models` into the folder `store`; `cluster` are keys of `ClusterSettings`."""
    return SweepSettings(
        models=ModelsSettings(refs=[str(model) for model in models]),
        store=StoreSettings(url=str(store)),
        profile=profile,
        cluster=ClusterSettings(**cluster),
        debug=debug,
        dry_run=dry_run,
    )


def assert_sound(store: Path, models: int) -> None:
    """The store holds so many published models, and everything is as its manifests say."""
    found = verify_store(open_objects(StoreSettings(url=str(store))))
    assert found.problems == ()
    assert found.models == models


def published_files(store: Path) -> dict[str, bytes]:
    """The published tables, by key."""
    return {
        path.relative_to(store).as_posix(): path.read_bytes()
        for table in TABLES
        for path in (store / table).rglob("*.parquet")
    }
