"""From committed units to the tables that readers see: verify, compact, write, and say so last."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from gated_ray.store.expert_layers import Summarise, expert_layer
from gated_ray.store.keys import Partition, UnitKey, table_key
from gated_ray.store.objects import Objects, concurrently
from gated_ray.store.parquet import conform, from_parquet, to_parquet
from gated_ray.store.publication import Publication, list_manifests, published, state_digest
from gated_ray.store.schemas import EXPERT_LAYERS, LAYERS, MODELS, NEURONS
from gated_ray.store.units import CorruptUnitsError, Manifest, read_recorded
from gated_ray.store.writing import Writer, sound_manifests

__all__ = ["PART_ROWS", "CorruptUnitsError", "Publication", "publish", "published"]

PART_ROWS = 4 << 20
"""A part of the neurons table ends with the layer in which it reaches this many rows."""


def publish(
    objects: Objects,
    partition: Partition,
    units: Sequence[UnitKey],
    model_row: Mapping[str, Any],
    *,
    identity: Mapping[str, Any],
    summarise: Summarise,
    part_rows: int = PART_ROWS,
) -> Publication:
    """Write the partition's published tables from its units, and the record of publication last.

    Safe to repeat and to interrupt: equal units give equal bytes, and until the record is written the tables count for
    nothing. Memory is bounded by one part, encoded, and one layer.

    Args:
        objects: the store.
        partition: model, revision and profile.
        units: all units of the model, in any order.
        model_row: schema `MODELS` but for the partition's columns and what the units tell: blocks, neurons,
            neurons_without_cosine, bytes_read, seconds.
        identity: every setting that shaped the numbers.
        summarise: the definitions of the summaries, for all experts of a layer together.
        part_rows: rows after which a new part of the neurons table begins.

    Raises:
        CorruptUnitsError: units are not committed, or not as their manifests say; nothing was written.
        ValueError: units overlap, or `model_row` does not fit the schema.
        StoreError, TransientError: the store could not be read or written.
    """
    ordered = _in_order(units)
    # Listed before they are read, so that what comes later makes a difference that the next sweep finds.
    listed = list_manifests(objects, partition, ordered)
    manifests = sound_manifests(objects, partition, ordered, identity)
    layers = pa.concat_tables(_read_all(objects, partition, manifests, "layers")).combine_chunks()
    row = conform(pa.Table.from_pylist([_complete(model_row, manifests, layers)]), MODELS, partition.columns)

    writer = Writer(objects, partition)
    experts: list[dict[str, Any]] = []

    def layer_neurons() -> Iterator[pa.Table]:
        """The neurons in order, a table for each layer and component; experts are summed up on the way."""
        by_unit = zip(ordered, manifests, strict=True)
        for place, run in itertools.groupby(by_unit, key=lambda each: (each[0].layer, each[0].component)):
            of_place = [manifest for _, manifest in run]
            neurons = pa.concat_tables(_read_all(objects, partition, of_place, "neurons")).combine_chunks()
            blocks = _of_layer(layers, *place)
            if blocks["expert"].null_count == 0:
                experts.append(expert_layer(neurons, blocks, summarise))
            yield neurons

    for number, part in enumerate(_parts(layer_neurons(), part_rows)):
        writer.put(table_key("neurons", partition, number), to_parquet(part, NEURONS))
    writer.put(table_key("layers", partition), to_parquet([layers], LAYERS))
    if experts:
        expert_layers = conform(pa.Table.from_pylist(experts), EXPERT_LAYERS, partition.columns)
        writer.put(table_key("expert_layers", partition), to_parquet([expert_layers], EXPERT_LAYERS))
    writer.put(table_key("models", partition), to_parquet([row], MODELS))
    publication = Publication(
        partition=partition,
        tables=tuple(writer.written),
        rows={
            "neurons": sum(each.rows for each in manifests),
            "layers": layers.num_rows,
            "expert_layers": len(experts),
            "models": 1,
        },
        identity=identity,
        units=tuple(unit.id for unit in ordered),
        state=state_digest([*listed, *(each for manifest in manifests for each in manifest.objects)]),
    )
    writer.finish(publication)
    return publication


def _in_order(units: Sequence[UnitKey]) -> list[UnitKey]:
    ordered = sorted(units)
    if not ordered:
        raise ValueError("a model without units cannot be published")
    for one, other in itertools.pairwise(ordered):
        if (one.layer, one.component) == (other.layer, other.component) and other.first <= one.last:
            raise ValueError(f"units {one.id} and {other.id} overlap")
    return ordered


def _read_all(objects: Objects, partition: Partition, manifests: Sequence[Manifest], table: str) -> list[pa.Table]:
    return concurrently(lambda manifest: _read(objects, partition, manifest, table), manifests)


def _read(objects: Objects, partition: Partition, manifest: Manifest, table: str) -> pa.Table:
    recorded, schema = {"neurons": (manifest.objects[0], NEURONS), "layers": (manifest.objects[1], LAYERS)}[table]
    body = read_recorded(objects, recorded)
    # Another writer of the same unit may have come since the first look.
    if body is None:
        raise CorruptUnitsError(partition, (manifest.unit,))
    return from_parquet(body, schema)


def _of_layer(layers: pa.Table, layer: int, component: str) -> pa.Table:
    return layers.filter(pc.and_(pc.equal(layers["layer"], layer), pc.equal(layers["component"], component)))


def _parts(tables: Iterator[pa.Table], part_rows: int) -> Iterator[Iterator[pa.Table]]:
    """The tables cut into parts, each to be used up before the next: a part ends with the table that fills it."""
    for first in tables:
        yield _part(first, tables, part_rows)


def _part(first: pa.Table, following: Iterator[pa.Table], part_rows: int) -> Iterator[pa.Table]:
    yield first
    rows = first.num_rows
    while rows < part_rows and (table := next(following, None)) is not None:
        yield table
        rows += table.num_rows


def _complete(model_row: Mapping[str, Any], manifests: Sequence[Manifest], layers: pa.Table) -> dict[str, Any]:
    return {
        **model_row,
        "blocks": layers.num_rows,
        "neurons": sum(each.rows for each in manifests),
        "neurons_without_cosine": pc.sum(layers["neurons_without_cosine"]).as_py(),
        "bytes_read": sum(each.bytes_read for each in manifests),
        "seconds": math.fsum(each.seconds for each in manifests),
    }
