"""Made-up token datasets: shards of a few rows, committed as the tokens job does."""

from typing import Any

import pyarrow as pa

from gated_ray.store.activation_schemas import TOKENS
from gated_ray.store.objects import Objects
from gated_ray.store.token_commit import commit_dataset, commit_shard, committed_shards, identity_digest
from gated_ray.store.token_identity import claim_token_dataset
from gated_ray.store.token_keys import TokenPartition
from gated_ray.store.tokens import TokenDataset, TokenShard

TEXTS = TokenPartition("org/my texts", "0123456789ab")
IDENTITY = {"files": {"a.jsonl": {"size": 5, "content": "x"}}, "tokenizer": "0123456789ab", "seed": 0}
ROWS = 3


def shard_table(index: int) -> pa.Table:
    """Three rows, without the partition's columns."""
    rows = [
        {
            "document": index * ROWS + number,
            "ids": list(range(number + 1)),
            "text": "abc"[: number + 1],
            "starts": list(range(number + 1)) if number else None,
            "source": "a.jsonl",
            "source_row": index,
            "truncated": number == 1,
        }
        for number in range(ROWS)
    ]
    schema = pa.schema([field for field in TOKENS if field.name not in TEXTS.columns])
    return pa.Table.from_pylist(rows, schema=schema)


def commit(objects: Objects, index: int, shards: int = 3, partition: TokenPartition = TEXTS) -> TokenShard:
    return commit_shard(
        objects,
        partition,
        index,
        shard_table(index),
        empty=1,
        until=(0, index),
        found=20,
        is_last=index == shards - 1,
        identity=identity_digest(IDENTITY),
    )


def make(objects: Objects, shards: int = 3, partition: TokenPartition = TEXTS, **identity: Any) -> TokenDataset:
    """Do what is missing, as the tokens job does."""
    claim_token_dataset(objects, partition, IDENTITY | identity)
    there = committed_shards(objects, partition, identity_digest(IDENTITY))
    made = [there.get(index) or commit(objects, index, shards, partition) for index in range(shards)]
    return commit_dataset(objects, partition, made, IDENTITY, {"place": "texts", "revision": None})
