"""Committing a token dataset: a shard by its manifest, the whole by ``dataset.json``, each written last of what it names."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from gated_ray.store.activation_schemas import TOKENS
from gated_ray.store.objects import Objects, concurrently
from gated_ray.store.parquet import conform, to_parquet
from gated_ray.store.records import encode_json, record, same_identity, sha256
from gated_ray.store.token_keys import (
    TokenPartition,
    dataset_key,
    parse_shard_manifest,
    record_folder,
    shard_folder,
    shard_key,
    shard_manifest_key,
)
from gated_ray.store.tokens import TOKENS_FORMAT, TokenDataset, TokenShard, read_shard_manifest, read_token_dataset


def identity_digest(identity: Mapping[str, Any]) -> str:
    return sha256(encode_json(identity))


def commit_shard(
    objects: Objects,
    partition: TokenPartition,
    index: int,
    table: pa.Table,
    *,
    empty: int,
    until: tuple[int, int],
    found: int,
    is_last: bool,
    identity: str,
) -> TokenShard:
    """Store a shard, then its manifest.

    Args:
        objects: the store.
        partition: whose shard.
        index: which, from 0.
        table: schema `TOKENS`, the partition's columns optional, rows in their order; at least one.
        empty, until, found, is_last: as `TokenShard` has them.
        identity: `identity_digest` of the dataset's.

    Raises:
        ValueError: the table does not fit the schema.
        StoreError, TransientError: the store could not be written.
    """
    table = conform(table, TOKENS, partition.columns)
    recorded = record(objects, shard_key(partition, index), to_parquet([table], TOKENS))
    shard = TokenShard(
        object=recorded,
        first=table["document"][0].as_py(),
        documents=table.num_rows,
        tokens=len(table["ids"].combine_chunks().flatten()),
        truncated=table["truncated"].to_pylist().count(True),
        empty=empty,
        until=until,
        found=found,
        is_last=is_last,
        identity=identity,
    )
    objects.put(shard_manifest_key(partition, index), encode_json({"format": TOKENS_FORMAT, **asdict(shard)}))
    return shard


def committed_shards(objects: Objects, partition: TokenPartition, identity: str) -> dict[int, TokenShard]:
    """Shards by index that need not be made again: with a manifest of this identity, and held as it says.

    Costs two listings and a GET a shard.
    """
    indexes = [parse_shard_manifest(partition, each.key) for each in objects.list(record_folder(partition))]
    there = [index for index in indexes if index is not None]
    manifests = concurrently(lambda index: read_shard_manifest(objects, partition, index), there)
    stored = {each.key: each for each in objects.list(shard_folder(partition))}
    return {
        index: shard
        for index, shard in zip(there, manifests, strict=True)
        if shard is not None
        and shard.identity == identity
        and shard.object.key in stored
        and stored[shard.object.key].holds(shard.object)
    }


def commit_dataset(
    objects: Objects,
    partition: TokenPartition,
    shards: Sequence[TokenShard],
    identity: Mapping[str, Any],
    source: Mapping[str, str | None],
) -> TokenDataset:
    """Record that the dataset is whole."""
    shown = [asdict(shard) for shard in shards]
    document = {"format": TOKENS_FORMAT, "identity": identity, "source": source, "shards": shown}
    objects.put(dataset_key(partition), encode_json(document))
    return TokenDataset(partition, identity, tuple(shards), source)


def whole_token_dataset(
    objects: Objects, partition: TokenPartition, identity: Mapping[str, Any]
) -> TokenDataset | None:
    """The dataset, where it is of this identity and the store holds all of it; by one GET and one listing."""
    found = read_token_dataset(objects, partition)
    if found is None or not same_identity(found.identity, identity):
        return None
    stored = {each.key: each for each in objects.list(shard_folder(partition))}
    held = all(each.object.key in stored and stored[each.object.key].holds(each.object) for each in found.shards)
    return found if held else None
