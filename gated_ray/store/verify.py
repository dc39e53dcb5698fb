"""Whether the store still holds what its manifests say. Reads everything in a folder, listings and manifests in a bucket."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gated_ray.store.keys import (
    PROFILES,
    RAW_TABLES,
    TABLES,
    Partition,
    manifest_folder,
    profile_key,
    published_key,
)
from gated_ray.store.objects import PROBE_KEY, Objects, StoredObject
from gated_ray.store.profiles import read_profile
from gated_ray.store.publication import Publication, read_publication
from gated_ray.store.records import RecordedObject, same_identity, settings_of
from gated_ray.store.token_keys import TOKENS_FOLDER
from gated_ray.store.token_verify import is_of_tokens, verify_tokens
from gated_ray.store.units import Manifest, read_manifests
from gated_ray.vocabulary import counted


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with the store.

    The cure is always the same: delete `key` and the partition's `published.json`, and run the sweep again.
    """

    partition: str
    """Path of the partition, or what stands in its place."""
    key: str
    what: str

    def __str__(self) -> str:
        return f"{self.key}: {self.what}"


@dataclass(frozen=True)
class Verification:
    """What was looked at and what was found."""

    publications: tuple[Publication, ...]
    """Of every model, sound or not, sorted by partition."""
    units: int
    """Units with a manifest."""
    objects: int
    """Objects that manifests name."""
    bytes: int
    """Their bytes, as listed."""
    problems: tuple[Problem, ...]
    token_datasets: int = 0
    """Whole ones; their shards are objects too."""

    def __str__(self) -> str:
        counts = {"published model": self.models, "unit": self.units, "object": self.objects}
        counts |= {"token dataset": self.token_datasets} if self.token_datasets else {}
        looked_at = ", ".join(counted(count, noun) for noun, count in counts.items())
        problems = counted(len(self.problems), "problem") if self.problems else "no problems"
        return f"{looked_at}, {self.bytes / 1e9:.3f} GB: {problems}"

    @property
    def models(self) -> int:
        """Published models."""
        return len(self.publications)


def verify_store(objects: Objects) -> Verification:
    """Compare every object that a manifest names with what the store holds.

    In a folder the content is read and its digest computed; in a bucket the listing's size and ETag are compared.

    Raises:
        StoreError, TransientError: the store could not be read.
    """
    folders = ("_units/", *(f"raw/{table}/" for table in RAW_TABLES), *(f"{table}/" for table in TABLES), TOKENS_FOLDER)
    held = {each.key: each for folder in folders for each in objects.list(folder, digest=True)}
    stored = {key: each for key, each in held.items() if not is_of_tokens(key)}
    tokens = verify_tokens(objects, {key: each for key, each in held.items() if is_of_tokens(key)})
    partitions, problems = _partitions(stored)
    records = [
        _Records(partition, read_manifests(objects, partition), read_publication(objects, partition))
        for partition in partitions
    ]
    for each in records:
        problems += _unit_problems(each, stored)
        problems += _publication_problems(each, stored, read_profile(objects, each.partition.profile))
    named = {recorded.key for each in records for recorded in each.objects()}
    problems += [
        Problem(key.partition("/")[2].rpartition("/")[0], key, "no publication names this file")
        for key in stored
        if key.split("/")[0] in TABLES and key not in named
    ]
    problems += [Problem(each.folder, each.key, each.what) for each in tokens.problems]
    named |= {shard.object.key for shard in tokens.shards}
    return Verification(
        publications=tuple(each.publication for each in records if each.publication is not None),
        units=sum(manifest is not None for each in records for manifest in each.manifests.values()),
        objects=len(named),
        bytes=sum(held[key].size for key in named if key in held),
        problems=tuple(sorted(problems, key=lambda problem: (problem.partition, problem.key))),
        token_datasets=tokens.datasets,
    )


@dataclass(frozen=True)
class _Records:
    """Everything that is written down about one partition."""

    partition: Partition
    manifests: Mapping[str, Manifest | None]
    publication: Publication | None

    def objects(self) -> Iterator[RecordedObject]:
        """Every object that a manifest or the publication names."""
        for manifest in self.manifests.values():
            yield from manifest.objects if manifest is not None else ()
        yield from self.publication.tables if self.publication is not None else ()


def _partitions(stored: Mapping[str, StoredObject]) -> tuple[list[Partition], list[Problem]]:
    """The partitions that have raw objects or manifests, and the keys among those that lie in no partition."""
    partitions, problems = set(), []
    for key in stored:
        if key.split("/")[0] in TABLES or key.startswith(PROFILES) or key == PROBE_KEY:
            continue
        path = key.removeprefix("raw/").partition("/")[2].rpartition("/")[0]
        try:
            partitions.add(Partition.parse(path))
        except ValueError:
            problems.append(Problem(path, key, "lies in no partition"))
    return sorted(partitions), problems


def _unit_problems(records: _Records, stored: Mapping[str, StoredObject]) -> Iterator[Problem]:
    for unit_id, manifest in records.manifests.items():
        if manifest is None:
            key = f"{manifest_folder(records.partition)}{unit_id}.json"
            yield Problem(records.partition.path, key, "cannot be read as the manifest of this unit")
        else:
            yield from _differences(records.partition, manifest.objects, stored)


def _publication_problems(
    records: _Records, stored: Mapping[str, StoredObject], profile: Mapping[str, Any] | None
) -> Iterator[Problem]:
    partition, publication, key = records.partition, records.publication, published_key(records.partition)
    if publication is None:
        what = "cannot be read as the publication of this partition" if key in stored else "not published"
        yield Problem(partition.path, key, what)
        return
    yield from _differences(partition, publication.tables, stored)
    if profile is None or not same_identity(profile, settings_of(publication.identity)):
        yield Problem(partition.path, key, f"has other settings than {profile_key(partition.profile)}")
    manifests = {unit: records.manifests.get(unit) for unit in publication.units}
    for unit, manifest in manifests.items():
        if unit not in records.manifests:
            yield Problem(partition.path, f"{manifest_folder(partition)}{unit}.json", "missing")
        elif manifest is not None and not same_identity(manifest.identity, publication.identity):
            yield Problem(partition.path, key, f"has other settings than its unit {unit}")
    rows = [manifest.rows for manifest in manifests.values() if manifest is not None]
    # Every unit has other neurons; every shard of tokens has them all.
    counted, said = (max(rows, default=0), "activations") if partition.dataset else (sum(rows), "neurons")
    if all(manifests.values()) and counted != publication.rows[said]:
        yield Problem(partition.path, key, f"counts {publication.rows[said]} neurons, its units {counted}")


def _differences(
    partition: Partition, recorded: Iterable[RecordedObject], stored: Mapping[str, StoredObject]
) -> Iterator[Problem]:
    for each in recorded:
        found = stored.get(each.key)
        if found is None:
            yield Problem(partition.path, each.key, "missing")
        elif found.size != each.size:
            yield Problem(partition.path, each.key, f"has {found.size} bytes instead of {each.size}")
        elif found.etag != each.etag:
            yield Problem(partition.path, each.key, f"altered: its ETag is {found.etag} instead of {each.etag}")
