"""Committing activation statistics over one shard of tokens. The manifest is the commit: it is written last."""

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from gated_ray.store.keys import Partition, ShardKey, manifest_key, raw_key
from gated_ray.store.objects import Objects
from gated_ray.store.parquet import to_parquet
from gated_ray.store.records import record
from gated_ray.store.schemas import BLOCK_FIELDS, described
from gated_ray.store.units import Manifest, committed_unit

_NEURON = described("neuron", pa.int32(), "hidden unit within the block, from 0")


def statistics_schema(counts: int, sums: int, lists: int, top: int) -> pa.Schema:
    """The schema of what a shard of tokens gives, one row a neuron, before merging.

    Args:
        counts, sums, lists: how many of each the statistics have.
        top: documents that each list keeps.
    """
    return pa.schema(
        [
            *BLOCK_FIELDS,
            _NEURON,
            described("sign", pa.int8(), "canonical sign, not applied yet"),
            described("tokens", pa.int64(), "real tokens that the neuron saw"),
            described("counts", pa.list_(pa.int64(), counts), "tokens in each quadrant, with g > 0, not finite"),
            described("sums", pa.list_(pa.float64(), sums), "sums over quadrants times quantities"),
            described(
                "keys", pa.list_(pa.int64(), lists * top), "strongest documents: value and document; -1 for none"
            ),
            described("places", pa.list_(pa.int32(), lists * top), "token and sign of each"),
        ],
        metadata={"description": "activation statistics over one shard of tokens, to be merged with the others"},
    )


def commit_shard(
    objects: Objects,
    partition: Partition,
    shard: ShardKey,
    parts: Iterable[tuple[str, pa.Table]],
    *,
    identity: Mapping[str, Any],
    counts: Mapping[str, int],
    seconds: float,
    versions: Mapping[str, str],
) -> Manifest:
    """Store the statistics over a shard part by part, then the manifest.

    Where a sound shard of this identity was committed before, nothing is written: a worker that was believed dead may come
    late, and its numbers may differ in the last digit.

    Args:
        objects: the store.
        partition: model, revision, dataset and profile.
        shard: of the token dataset.
        parts: name of each part and its table, taken one by one; schema `statistics_schema`.
        identity: every setting that shaped the numbers.
        counts: what was counted of the documents.
        seconds: how long the shard took.
        versions: of the libraries that computed it.

    Raises:
        StoreError, TransientError: the store could not be written.
    """
    if earlier := committed_unit(objects, partition, shard, identity):
        return earlier
    (table,) = partition.raw_tables
    written, rows = [], 0
    for name, part in parts:
        written.append(record(objects, raw_key(table, partition, shard, name), to_parquet([part], part.schema)))
        rows += part.num_rows
    manifest = Manifest(
        unit=shard,
        objects=tuple(written),
        rows=rows,
        identity=identity,
        bytes_read=0,
        seconds=seconds,
        versions=versions,
        digests={},
        counts=counts,
    )
    objects.put(manifest_key(partition, shard), manifest.encode())
    return manifest
