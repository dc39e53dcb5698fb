"""Whether the store still holds its token datasets as their records say."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gated_ray.store.objects import Objects, StoredObject
from gated_ray.store.records import same_identity
from gated_ray.store.token_commit import identity_digest
from gated_ray.store.token_identity import read_token_identity
from gated_ray.store.token_keys import (
    RECORDS,
    TOKENS_FOLDER,
    TokenPartition,
    dataset_key,
    identity_key,
    parse_shard_manifest,
    record_folder,
    shard_folder,
    shard_key,
    shard_manifest_key,
)
from gated_ray.store.tokens import TokenDataset, TokenShard, read_shard_manifest, read_token_dataset


@dataclass(frozen=True)
class TokenProblem:
    """One thing that is wrong with a token dataset.

    The cure is always the same: delete `key` and the dataset's ``dataset.json``, and run jobs.tokens again.
    """

    folder: str
    key: str
    what: str


@dataclass(frozen=True)
class TokenVerification:
    """What was looked at and what was found."""

    datasets: int
    """Whole ones, sound or not."""
    shards: tuple[TokenShard, ...]
    """Those with a manifest."""
    problems: tuple[TokenProblem, ...]


def is_of_tokens(key: str) -> bool:
    """Whether an object is part of what is looked at here."""
    return key.startswith((TOKENS_FOLDER, RECORDS))


def verify_tokens(objects: Objects, stored: Mapping[str, StoredObject]) -> TokenVerification:
    """Compare every shard that a manifest names with what the store holds.

    Args:
        objects: the store.
        stored: everything that it holds of tokens, with ETags, by key.

    Raises:
        StoreError, TransientError: the store could not be read.
    """
    by_partition: dict[TokenPartition, list[str]] = {}
    problems = []
    for key in stored:
        folder = key.removeprefix(RECORDS).removeprefix(TOKENS_FOLDER).rpartition("/")[0]
        try:
            by_partition.setdefault(TokenPartition.parse(folder), []).append(key)
        except ValueError:
            problems.append(TokenProblem(folder, key, "lies in no token dataset"))
    shards: list[TokenShard] = []
    datasets = 0
    for partition, keys in sorted(by_partition.items()):
        indexes = [index for key in keys if (index := parse_shard_manifest(partition, key)) is not None]
        manifests = {index: read_shard_manifest(objects, partition, index) for index in indexes}
        dataset = read_token_dataset(objects, partition)
        datasets += dataset is not None
        shards += [shard for shard in manifests.values() if shard is not None]
        problems += _shard_problems(partition, manifests, stored)
        problems += _leftovers(partition, manifests, keys)
        problems += _dataset_problems(objects, partition, manifests, dataset, stored)
    return TokenVerification(datasets, tuple(shards), tuple(problems))


def _shard_problems(
    partition: TokenPartition, manifests: Mapping[int, TokenShard | None], stored: Mapping[str, StoredObject]
) -> Iterator[TokenProblem]:
    for index, shard in manifests.items():
        if shard is None:
            key = shard_manifest_key(partition, index)
            yield TokenProblem(partition.path, key, "cannot be read as the manifest of this shard")
            continue
        recorded, found = shard.object, stored.get(shard.object.key)
        if found is None:
            yield TokenProblem(partition.path, recorded.key, "missing")
        elif found.size != recorded.size:
            yield TokenProblem(partition.path, recorded.key, f"has {found.size} bytes instead of {recorded.size}")
        elif found.etag != recorded.etag:
            what = f"altered: its ETag is {found.etag} instead of {recorded.etag}"
            yield TokenProblem(partition.path, recorded.key, what)


def _leftovers(
    partition: TokenPartition, manifests: Mapping[int, TokenShard | None], keys: list[str]
) -> Iterator[TokenProblem]:
    named = {shard.object.key for shard in manifests.values() if shard is not None}
    records = {identity_key(partition), dataset_key(partition)}
    records |= {shard_manifest_key(partition, index) for index in manifests}
    for key in keys:
        if key.startswith(shard_folder(partition)) and key not in named:
            yield TokenProblem(partition.path, key, "no manifest names this file")
        if key.startswith(record_folder(partition)) and key not in records:
            yield TokenProblem(partition.path, key, "no record of a token dataset")


def _dataset_problems(
    objects: Objects,
    partition: TokenPartition,
    manifests: Mapping[int, TokenShard | None],
    dataset: TokenDataset | None,
    stored: Mapping[str, StoredObject],
) -> Iterator[TokenProblem]:
    key = dataset_key(partition)
    if dataset is None:
        what = "cannot be read as the record of this dataset" if key in stored else "not finished"
        yield TokenProblem(partition.path, key, what)
        return
    claimed = read_token_identity(objects, partition)
    if claimed is None or not same_identity(claimed, dataset.identity):
        what = "missing" if identity_key(partition) not in stored else f"says something else than {key}"
        yield TokenProblem(partition.path, identity_key(partition), what)
    if {shard.identity for shard in dataset.shards} != {identity_digest(dataset.identity)}:
        yield TokenProblem(partition.path, key, "names shards that are made from something else")
    for index in sorted({*manifests, *range(len(dataset.shards))}):
        manifest = shard_manifest_key(partition, index)
        if index not in manifests:
            yield TokenProblem(partition.path, manifest, "missing")
        elif index >= len(dataset.shards):
            for leftover in (manifest, shard_key(partition, index)):
                yield TokenProblem(partition.path, leftover, f"{key} does not name this shard")
        elif manifests[index] is not None and manifests[index] != dataset.shards[index]:
            yield TokenProblem(partition.path, manifest, f"says something else than {key}")
