"""Twenty thousand units that cost nothing: what the driver, the planner and the store take for them. Takes minutes.

400 models of 50 units, swept into a folder by workers that commit without measuring, then planned again in the states that a
sweep may be resumed from: from the folder, and over S3 from a server on the same folder. 2,000 models are only planned.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from nanio.etag import simple_etag
from nanio.storage.backend import ObjectInfo
from nanio.storage.metadata import write_metadata
from nanio.storage.paths import metadata_path

from gated_ray.settings import StoreSettings
from gated_ray.store.keys import PUBLISHED
from gated_ray.store.objects import open_objects
from gated_ray.store.verify import verify_store
from tests.benchmarks.driving import Driven, drive
from tests.benchmarks.measure import Ratio
from tests.benchmarks.usage import own_environment
from tests.checkpoints.trivial import LAYERS, trivial_checkpoints
from tests.servers.s3 import nanio_server

_MODELS = 400
_PLANNED_MODELS = 2_000
_MODELS_OVER_S3 = 20
_EARLY = 2_000
"""Units done when the driver's memory is first looked at."""
_MOST_MS = 5.0
_MOST_GROWTH_MB = 50.0
_MOST_RESUME_SECONDS = 60.0


@dataclass(frozen=True)
class _Place:
    """A store and how a driver gets there."""

    url: str
    environment: Mapping[str, str]
    endpoint: str = ""

    def drive(self, models: Sequence[Path], dry: bool = False) -> Driven:
        driven = drive(self.url, models, self.environment, dry=dry, endpoint=self.endpoint)
        if driven.failures or driven.models != len(models):
            raise RuntimeError(f"{driven.models} of {len(models)} models; {[*driven.failures, 'no failure'][0]}")
        return driven


def run() -> list[Ratio]:
    """The ratios of this benchmark."""
    with TemporaryDirectory() as scratch:
        return [*_many_units(Path(scratch)), *_many_models(Path(scratch))]


def _many_units(scratch: Path) -> Iterator[Ratio]:
    models = trivial_checkpoints(scratch / "models", _MODELS)
    with _places(scratch) as (folder, bucket, empty_bucket):
        planned = folder.drive(models, dry=True)
        swept = folder.drive(models)
        yield _cpu_a_unit("folder", swept, planned)
        yield _growth(swept)
        yield from _resuming(folder, bucket, models)
        few = models[:_MODELS_OVER_S3]
        planned = empty_bucket.drive(few, dry=True)
        yield _cpu_a_unit("S3", empty_bucket.drive(few), planned)


@contextmanager
def _places(scratch: Path) -> Iterator[tuple[_Place, _Place, _Place]]:
    """A folder, the same over S3, and another bucket."""
    environment = own_environment(scratch)
    data = scratch / "data"
    folder = data / "swept"
    folder.mkdir(parents=True)
    with nanio_server(data) as server:
        other = server.make_bucket("other")
        s3 = partial(_Place, environment={**environment, **server.environment()}, endpoint=server.endpoint_url)
        yield _Place(str(folder), environment), s3(f"s3://{folder.name}"), s3(f"s3://{other}")


def _cpu_a_unit(where: str, swept: Driven, planned: Driven) -> Ratio:
    detail = (
        f"{swept.units} units in {swept.seconds:.0f} s; planning alone {1e3 * planned.cpu / planned.units:.2f} ms a unit, "
        f"{planned.seconds:.1f} s"
    )
    return Ratio(f"many units, driver's CPU a unit ({where})", 1e3 * swept.cpu / swept.units, "ms", _MOST_MS, detail)


def _growth(swept: Driven) -> Ratio:
    early, last, end = swept.memory_at(_EARLY), swept.memory_at(swept.units), swept.memory[-1][1] / 1e6
    peak = max(held for _, held in swept.memory) / 1e6
    detail = f"{early:.0f} MB at {_EARLY} units, {last:.0f} MB at {swept.units}, {end:.0f} MB after the summary; peak {peak:.0f} MB"
    return Ratio("many units, driver's growth", end - early, "MB", _MOST_GROWTH_MB, detail)


def _resuming(folder: _Place, bucket: _Place, models: Sequence[Path]) -> Iterator[Ratio]:
    """Plan in each state, then finish from the last."""
    _tell_etags(Path(folder.url))
    again = folder.drive(models)
    yield Ratio(
        "many units, sweep again", again.seconds, "s", _MOST_RESUME_SECONDS, "all published; with its summary; folder"
    )
    yield from _planning("all published", folder, bucket, models, published=len(models), left=0)
    unpublished = _unpublish_half(Path(folder.url))
    published = len(models) - len(unpublished)
    yield from _planning("half unpublished", folder, bucket, models, published=published, left=0)
    left = sum(_lose_half(manifests) for manifests in unpublished)
    yield from _planning("and half of their units gone", folder, bucket, models, published=published, left=left)
    if folder.drive(models).left != left:
        raise RuntimeError("the rerun did other units than those that were gone")
    found = verify_store(open_objects(StoreSettings(folder.url)))
    if found.problems or found.models != len(models):
        raise RuntimeError(f"the rerun left {found}")


def _tell_etags(store: Path) -> None:
    """nanio keeps them beside the files, and knows none of those that it did not write itself."""
    now = datetime.now(UTC)
    for path in [path for path in store.rglob("*") if path.is_file()]:
        key, body = path.relative_to(store).as_posix(), path.read_bytes()
        info = ObjectInfo(key, len(body), simple_etag(body), now)
        write_metadata(metadata_path(store.parent, store.name, key), info)


def _planning(
    state: str, folder: _Place, bucket: _Place, models: Sequence[Path], published: int, left: int
) -> Iterator[Ratio]:
    for where, place in (("folder", folder), ("S3", bucket)):
        driven = place.drive(models, dry=True)
        if (driven.published, driven.left) != (published, left):
            raise RuntimeError(f"{state}: {driven.published} published and {driven.left} units left")
        detail = f"{driven.units} units, {left} of them left; {driven.cpu:.1f} s of CPU"
        name = f"many units, planning, {state} ({where})"
        yield Ratio(name, driven.seconds, "s", _MOST_RESUME_SECONDS, detail)


def _unpublish_half(store: Path) -> list[Path]:
    """The folders of the manifests of the models that are not published any more."""
    records = sorted((store / "_units").rglob(PUBLISHED))[::2]
    for record in records:
        record.unlink()
    return [record.parent for record in records]


def _lose_half(manifests: Path) -> int:
    """How many units are gone."""
    lost = sorted(manifests.glob("0*.json"))[::2]
    for manifest in lost:
        manifest.unlink()
    return len(lost)


def _many_models(scratch: Path) -> Iterator[Ratio]:
    models = trivial_checkpoints(scratch / "many", _PLANNED_MODELS)
    driven = _Place(str(scratch / "none"), own_environment(scratch)).drive(models, dry=True)
    ms = 1e3 * driven.seconds / driven.models
    detail = f"{driven.models} models of {LAYERS} units in {driven.seconds:.0f} s"
    yield Ratio("many models, planning, a model", ms, "ms", None, detail)
    first, last = driven.memory[0][1] / 1e6, driven.memory[-1][1] / 1e6
    yield Ratio("many models, memory of planning", last - first, "MB", _MOST_GROWTH_MB, f"{first:.0f} to {last:.0f} MB")
