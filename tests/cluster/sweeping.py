"""Sweeps of folders into a folder, and what they must leave."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from gated_ray.settings import ClusterSettings, ModelsSettings, ProfileSettings, StoreSettings, SweepSettings
from gated_ray.store.keys import TABLES, Partition, published_key
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


def assert_sound(store: Path, models: int, unpublished: Collection[str] = ()) -> None:
    """The store holds so many published models, and everything is as its manifests say.

    Args:
        store: a folder.
        models: how many are published.
        unpublished: models that failed; units that were done before may lie there, and nothing else may be wrong with them.
    """
    found = verify_store(open_objects(StoreSettings(url=str(store))))
    left = {
        published_key(partition): partition for partition in map(Partition.parse, {p.partition for p in found.problems})
    }
    assert [str(each) for each in found.problems if each.key not in left or each.what != "not published"] == []
    assert {partition.model for partition in left.values()} <= set(unpublished)
    assert found.models == models


def published_files(store: Path) -> dict[str, bytes]:
    """The published tables, by key."""
    return {
        path.relative_to(store).as_posix(): path.read_bytes()
        for table in TABLES
        for path in (store / table).rglob("*.parquet")
    }
