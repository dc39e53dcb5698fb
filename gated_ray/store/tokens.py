"""Committing a token dataset shard by shard, and reading it back. ``dataset.json``, written last, is the commit of the whole."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from gated_ray.errors import CorruptionError, InputError, ReferenceNotFoundError
from gated_ray.store.activation_schemas import TOKENS
from gated_ray.store.objects import Objects, concurrently
from gated_ray.store.parquet import conform, from_parquet, to_parquet
from gated_ray.store.records import RecordedObject, decode_json, encode_json, record, same_identity, sha256
from gated_ray.store.token_keys import (
    RECORDS,
    TokenPartition,
    dataset_key,
    parse_shard_manifest,
    record_folder,
    shard_folder,
    shard_key,
    shard_manifest_key,
)
from gated_ray.store.units import read_recorded

TOKENS_FORMAT = 1
"""Of these records and the schema `TOKENS`."""


@dataclass(frozen=True)
class TokenShard:
    """One file of a token dataset, and where in the order of the documents it ends."""

    object: RecordedObject
    first: int
    """Row of its first document within the dataset."""
    documents: int
    tokens: int
    truncated: int
    """Of its documents, those that were cut."""
    empty: int
    """Documents without tokens that were met since the shard before; of ready ids they are rows of the shard, of texts not."""
    until: tuple[int, int]
    """File (as sorted) and row of the last document that was looked at; the next shard goes on behind it."""
    found: int
    """Documents of all files, taken or not."""
    is_last: bool
    identity: str
    """SHA-256 of what the dataset is made from."""

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "TokenShard":
        """Raises KeyError, TypeError or ValueError where this is none."""
        file, row = document["until"]
        numbers = {
            name: int(document[name]) for name in ("first", "documents", "tokens", "truncated", "empty", "found")
        }
        return cls(
            object=RecordedObject.from_document(document["object"]),
            until=(int(file), int(row)),
            is_last=bool(document["is_last"]),
            identity=str(document["identity"]),
            **numbers,
        )


@dataclass(frozen=True)
class TokenDataset:
    """A whole token dataset, as its record says."""

    partition: TokenPartition
    identity: Mapping[str, Any]
    """What it is made from: files, settings, tokenizer."""
    shards: tuple[TokenShard, ...]

    @property
    def name(self) -> str:
        return self.partition.dataset

    @property
    def tokenizer_digest(self) -> str:
        return self.partition.tokenizer

    @property
    def documents(self) -> int:
        """Rows."""
        return sum(shard.documents for shard in self.shards)

    @property
    def tokens(self) -> int:
        return sum(shard.tokens for shard in self.shards)

    @property
    def truncated(self) -> int:
        return sum(shard.truncated for shard in self.shards)

    @property
    def empty(self) -> int:
        return sum(shard.empty for shard in self.shards)

    @property
    def found(self) -> int:
        """Documents of the texts, taken or not."""
        return self.shards[-1].found


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


def read_shard_manifest(objects: Objects, partition: TokenPartition, index: int) -> TokenShard | None:
    """What is written down of one shard; None where that cannot be read or belongs elsewhere."""
    try:
        shard = TokenShard.from_document(decode_json(objects.get(shard_manifest_key(partition, index)), TOKENS_FORMAT))
    except (ReferenceNotFoundError, KeyError, TypeError, ValueError):
        return None
    return shard if shard.object.key == shard_key(partition, index) else None


def commit_dataset(
    objects: Objects, partition: TokenPartition, shards: Sequence[TokenShard], identity: Mapping[str, Any]
) -> TokenDataset:
    """Record that the dataset is whole."""
    document = {"format": TOKENS_FORMAT, "identity": identity, "shards": [asdict(shard) for shard in shards]}
    objects.put(dataset_key(partition), encode_json(document))
    return TokenDataset(partition, identity, tuple(shards))


def read_token_dataset(objects: Objects, partition: TokenPartition) -> TokenDataset | None:
    """The dataset's record, whether its shards are there or not; None without one that can be read.

    Raises:
        StoreError, TransientError: the store could not be read.
    """
    try:
        document = decode_json(objects.get(dataset_key(partition)), TOKENS_FORMAT)
        shards = tuple(TokenShard.from_document(each) for each in document["shards"])
        found = TokenDataset(partition, dict(document["identity"]), shards)
    except (ReferenceNotFoundError, KeyError, TypeError, ValueError):
        return None
    keys = [shard_key(partition, index) for index in range(len(shards))]
    return found if shards and [shard.object.key for shard in shards] == keys else None


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


def open_token_dataset(objects: Objects, name: str, digest: str) -> TokenDataset:
    """The dataset of that name for a tokenizer.

    Args:
        objects: the store.
        name: as ``data.name`` has it.
        digest: `gated_ray.activations.tokenizers.Tokenizer.digest`, or `GIVEN`.

    Raises:
        InputError: the store holds no whole one.
        StoreError, TransientError: the store could not be read.
    """
    found = read_token_dataset(objects, TokenPartition(name, digest))
    if found is None:
        raise InputError(
            f"{objects.url}: holds no whole token dataset {name!r} for the tokenizer {digest}; make it with jobs.tokens"
        )
    return found


def token_partitions(objects: Objects) -> list[TokenPartition]:
    """Those whose whole datasets the store has a record of, sorted."""
    found = []
    for stored in objects.list(RECORDS):
        folder, _, name = stored.key.removeprefix(RECORDS).rpartition("/")
        try:
            partition = TokenPartition.parse(folder)
        except ValueError:
            continue
        if name == dataset_key(partition).rpartition("/")[2]:
            found.append(partition)
    return sorted(found)


def read_shard(objects: Objects, shard: TokenShard) -> pa.Table:
    """A shard's rows, schema `TOKENS`.

    Raises:
        CorruptionError: the store does not hold it as it was written.
        StoreError, TransientError: the store could not be read.
    """
    body = read_recorded(objects, shard.object)
    if body is None:
        raise CorruptionError(
            f"{objects.url}/{shard.object.key}: missing or damaged; delete it, and run jobs.tokens again"
        )
    return from_parquet(body, TOKENS)
