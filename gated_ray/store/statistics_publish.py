"""From committed shards to the published activation tables: verify, merge part by part, write, and say so last."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from gated_ray.store.activation_schemas import ACTIVATION_MODELS, ACTIVATIONS, EXAMPLES
from gated_ray.store.keys import Partition, ShardKey, raw_key, table_key
from gated_ray.store.objects import Objects
from gated_ray.store.parquet import conform, from_parquet, to_parquet
from gated_ray.store.publication import Publication, list_manifests, state_digest
from gated_ray.store.publish import PART_ROWS
from gated_ray.store.units import CorruptUnitsError, Manifest, read_recorded
from gated_ray.store.writing import Writer, sound_manifests

Merge = Callable[[Iterator[pa.Table], int], tuple[pa.Table, pa.Table]]
"""One part of every shard, and the tokens of all shards -> rows of the activations and of the examples table."""


def publish_statistics(
    objects: Objects,
    partition: Partition,
    shards: Sequence[ShardKey],
    parts: Sequence[str],
    model_row: Mapping[str, Any],
    *,
    schema: pa.Schema,
    identity: Mapping[str, Any],
    merge: Merge,
    part_rows: int = PART_ROWS,
) -> Publication:
    """Write the partition's published tables from its shards, and the record of publication last.

    Safe to repeat and to interrupt, as `publish` is. Memory holds one part of two shards, and the rows of one file.

    Args:
        objects: the store.
        partition: model, revision, dataset and profile.
        shards: all of the token dataset, in any order.
        parts: names of the parts of every shard, in the order of their rows.
        model_row: schema `ACTIVATION_MODELS` but for the partition's columns and what the shards tell: neurons, documents,
            tokens, cut_documents, nan_tokens, seconds.
        schema: of a part's table.
        identity: every setting that shaped the numbers.
        merge: the definitions.
        part_rows: rows after which a new file of a table begins.

    Raises:
        CorruptUnitsError: shards are not committed, or not as their manifests say; nothing was written.
        CorruptionError: shards that do not belong together.
        StoreError, TransientError: the store could not be read or written.
    """
    ordered = sorted(shards)
    # Listed before they are read, so that what comes later makes a difference that the next sweep finds.
    listed = list_manifests(objects, partition, ordered)
    manifests = sound_manifests(objects, partition, ordered, identity)
    counts = {name: sum(each.counts[name] for each in manifests) for name in ("documents", "tokens", "cut_documents")}
    writer = Writer(objects, partition)
    files = {"activations": _Files(writer, partition, "activations", ACTIVATIONS, part_rows)}
    files["examples"] = _Files(writer, partition, "examples", EXAMPLES, part_rows)
    nan_tokens = 0
    for part in parts:
        activations, examples = merge(_read_part(objects, partition, manifests, part, schema), counts["tokens"])
        nan_tokens += pc.sum(activations["nan_tokens"]).as_py()
        files["activations"].add(activations)
        files["examples"].add(examples)
    for each in files.values():
        each.finish()
    seconds = math.fsum(each.seconds for each in manifests)
    told = {"neurons": files["activations"].rows, "nan_tokens": nan_tokens, "seconds": seconds, **counts}
    row = conform(pa.Table.from_pylist([{**model_row, **told}]), ACTIVATION_MODELS, partition.columns)
    writer.put(table_key("activation_models", partition), to_parquet([row], ACTIVATION_MODELS))
    publication = Publication(
        partition=partition,
        tables=tuple(writer.written),
        rows={**{name: each.rows for name, each in files.items()}, "activation_models": 1},
        identity=identity,
        units=tuple(shard.id for shard in ordered),
        state=state_digest([*listed, *(each for manifest in manifests for each in manifest.objects)]),
    )
    writer.finish(publication)
    return publication


class _Files:
    """The files of one table, each with a row group for every part that is in it."""

    def __init__(self, writer: Writer, partition: Partition, table: str, schema: pa.Schema, part_rows: int) -> None:
        self._writer, self._partition, self._table, self._schema = writer, partition, table, schema
        self._part_rows = part_rows
        self._waiting: list[pa.Table] = []
        self._written = 0
        self.rows = 0

    def add(self, rows: pa.Table) -> None:
        self._waiting.append(conform(rows, self._schema, self._partition.columns))
        self.rows += rows.num_rows
        if sum(each.num_rows for each in self._waiting) >= self._part_rows:
            self._write()

    def finish(self) -> None:
        """Write what waits; a table has one file at least."""
        if self._waiting:
            self._write()

    def _write(self) -> None:
        body = to_parquet(self._waiting, self._schema)
        self._writer.put(table_key(self._table, self._partition, self._written), body)
        self._waiting.clear()
        self._written += 1


def _read_part(
    objects: Objects, partition: Partition, manifests: Sequence[Manifest], part: str, schema: pa.Schema
) -> Iterator[pa.Table]:
    """A part of every shard, one by one."""
    (table,) = partition.raw_tables
    for manifest in manifests:
        if not isinstance(manifest.unit, ShardKey):
            raise AssertionError(f"{manifest.unit} is no shard")
        key = raw_key(table, partition, manifest.unit, part)
        recorded = next((each for each in manifest.objects if each.key == key), None)
        body = read_recorded(objects, recorded) if recorded else None
        if body is None:  # another writer of the same shard may have come since the first look
            raise CorruptUnitsError(partition, (manifest.unit,))
        yield from_parquet(body, schema)
