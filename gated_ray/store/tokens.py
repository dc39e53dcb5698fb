"""Token datasets as the store holds them: their shards, and the record that makes them whole."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from gated_ray.errors import CorruptionError, InputError, ReferenceNotFoundError
from gated_ray.store.activation_schemas import TOKENS
from gated_ray.store.objects import Objects
from gated_ray.store.parquet import from_parquet
from gated_ray.store.records import RecordedObject, decode_json
from gated_ray.store.token_keys import RECORDS, TokenPartition, dataset_key, shard_key, shard_manifest_key
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
    source: Mapping[str, str | None]
    """Where it was made from, which its identity does not depend on: ``place``, and ``revision`` of a dataset on the Hub."""

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


def read_shard_manifest(objects: Objects, partition: TokenPartition, index: int) -> TokenShard | None:
    """What is written down of one shard; None where that cannot be read or belongs elsewhere."""
    try:
        shard = TokenShard.from_document(decode_json(objects.get(shard_manifest_key(partition, index)), TOKENS_FORMAT))
    except (ReferenceNotFoundError, KeyError, TypeError, ValueError):
        return None
    return shard if shard.object.key == shard_key(partition, index) else None


def read_token_dataset(objects: Objects, partition: TokenPartition) -> TokenDataset | None:
    """The dataset's record, whether its shards are there or not; None without one that can be read.

    Raises:
        StoreError, TransientError: the store could not be read.
    """
    try:
        document = decode_json(objects.get(dataset_key(partition)), TOKENS_FORMAT)
        shards = tuple(TokenShard.from_document(each) for each in document["shards"])
        found = TokenDataset(partition, dict(document["identity"]), shards, dict(document["source"]))
    except (ReferenceNotFoundError, KeyError, TypeError, ValueError):
        return None
    keys = [shard_key(partition, index) for index in range(len(shards))]
    return found if shards and [shard.object.key for shard in shards] == keys else None


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
