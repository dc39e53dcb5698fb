"""Committing one unit of work, and finding what is committed. The manifest is the commit: it is written last."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa

from gated_ray.errors import CorruptionError, ReferenceNotFoundError
from gated_ray.store.blocks import check_blocks
from gated_ray.store.keys import (
    Partition,
    ShardKey,
    UnitKey,
    WorkKey,
    manifest_folder,
    manifest_key,
    parse_unit,
    raw_folder,
    raw_key,
)
from gated_ray.store.objects import Objects, concurrently
from gated_ray.store.parquet import conform, to_parquet
from gated_ray.store.records import FORMAT, RecordedObject, decode_json, encode_json, record, same_identity, sha256
from gated_ray.store.schemas import LAYERS, NEURONS


@dataclass(frozen=True)
class Manifest:
    """What one unit put in the store, and how."""

    unit: WorkKey
    objects: tuple[RecordedObject, ...]
    """The unit's raw neurons and its raw layers; of a shard the parts of its statistics."""
    rows: int
    """Neurons."""
    identity: Mapping[str, Any]
    """Every setting that shaped the numbers."""
    bytes_read: int
    seconds: float
    versions: Mapping[str, str]
    digests: Mapping[str, str]
    """xxh3-64 of the stored bytes of each tensor range read, by its name, as the layers table has them."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Of a shard: what was counted of its documents."""

    def encode(self) -> bytes:
        document = {"format": FORMAT, **asdict(self)}
        return encode_json(document if self.counts else {key: document[key] for key in document if key != "counts"})

    @classmethod
    def decode(cls, body: bytes) -> "Manifest":
        """Raises ValueError where `body` is not a manifest."""
        document = decode_json(body)
        try:
            return cls(
                unit=ShardKey(**document["unit"]) if "shard" in document["unit"] else UnitKey(**document["unit"]),
                objects=tuple(RecordedObject.from_document(each) for each in document["objects"]),
                rows=int(document["rows"]),
                identity=dict(document["identity"]),
                bytes_read=int(document["bytes_read"]),
                seconds=float(document["seconds"]),
                versions=dict(document["versions"]),
                digests=dict(document["digests"]),
                counts={str(name): int(count) for name, count in document.get("counts", {}).items()},
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a manifest: {error!r}") from error


class CorruptUnitsError(CorruptionError):
    """Units that the store does not hold as their manifests say; `units` must be done again."""

    def __init__(self, partition: Partition, units: tuple[WorkKey, ...]) -> None:
        named = ", ".join(unit.id for unit in units[:3]) + (f" and {len(units) - 3} more" if len(units) > 3 else "")
        super().__init__(f"{partition.path}: missing or damaged in the store, to be done again: {named}")
        self.units = units


def commit_unit(
    objects: Objects,
    partition: Partition,
    unit: UnitKey,
    neurons: pa.Table,
    layers: pa.Table,
    *,
    identity: Mapping[str, Any],
    bytes_read: int,
    seconds: float,
    versions: Mapping[str, str],
    digests: Mapping[str, str],
) -> Manifest:
    """Store a unit's tables, then its manifest.

    Where the same was committed before, nothing is written: a worker that was believed dead may come late, when the model
    is published.

    Args:
        objects: the store.
        partition: model, revision and profile.
        unit: which blocks the tables hold.
        neurons: schema `NEURONS`, rows in any order, the partition's columns optional.
        layers: schema `LAYERS`, likewise.
        identity: every setting that shaped the numbers.
        bytes_read: bytes of stored weights that were read.
        seconds: how long the unit took, reading included.
        versions: of the libraries that computed it.
        digests: xxh3-64 of the stored bytes of each tensor range read, by its name.

    Raises:
        ValueError: a table does not fit its schema or is not this unit's.
        StoreError, TransientError: the store could not be written.
    """
    neurons = conform(neurons, NEURONS, partition.columns).sort_by([("expert", "ascending"), ("neuron", "ascending")])
    layers = conform(layers, LAYERS, partition.columns).sort_by("expert")
    check_blocks(unit, neurons, layers)
    bodies = {"neurons": to_parquet([neurons], NEURONS), "layers": to_parquet([layers], LAYERS)}
    if earlier := committed_unit(objects, partition, unit, identity, [sha256(body) for body in bodies.values()]):
        return earlier
    manifest = Manifest(
        unit=unit,
        objects=tuple(
            record(objects, raw_key(table, partition, unit), bodies[table]) for table in partition.raw_tables
        ),
        rows=neurons.num_rows,
        identity=identity,
        bytes_read=bytes_read,
        seconds=seconds,
        versions=versions,
        digests=digests,
    )
    objects.put(manifest_key(partition, unit), manifest.encode())
    return manifest


def committed_unit(
    objects: Objects,
    partition: Partition,
    unit: WorkKey,
    identity: Mapping[str, Any],
    digests: Sequence[str] | None = None,
) -> Manifest | None:
    """The manifest of another writer of this unit, if it has this identity and all that it names is in the store.

    Args:
        digests: SHA-256 of the bodies that it must name, in order; None for whichever.
    """
    manifest = _read_manifest(objects, partition, unit)
    if manifest is None or not same_identity(manifest.identity, identity):
        return None
    if digests is not None and [each.sha256 for each in manifest.objects] != list(digests):
        return None
    # A store that was copied may have the same bytes under other ETags: then the manifest is out of date.
    stored = {found.key: found for each in manifest.objects for found in objects.list(each.key)}
    sound = all(
        each.key in stored and stored[each.key].holds(each) and read_recorded(objects, each) is not None
        for each in manifest.objects
    )
    return manifest if sound else None


def read_recorded(objects: Objects, recorded: RecordedObject) -> bytes | None:
    """The recorded bytes; None where the store holds others or none.

    Raises:
        StoreError, TransientError: the store could not be read.
    """
    try:
        body = objects.get(recorded.key)
    except ReferenceNotFoundError:
        return None
    return body if sha256(body) == recorded.sha256 else None


def committed_units(objects: Objects, partition: Partition, identity: Mapping[str, Any]) -> dict[str, Manifest]:
    """Manifests by unit id, of the units that need not be done again.

    A unit counts only if its manifest can be read and has this identity, and its raw objects are there with the recorded
    size and ETag (where a listing tells). Costs three listings and a GET a unit.
    """
    manifests = read_manifests(objects, partition)
    raw = {
        stored.key: stored for table in partition.raw_tables for stored in objects.list(raw_folder(table, partition))
    }
    return {
        unit_id: manifest
        for unit_id, manifest in manifests.items()
        if manifest is not None
        and same_identity(manifest.identity, identity)
        and all(each.key in raw and raw[each.key].holds(each) for each in manifest.objects)
    }


def read_manifests(objects: Objects, partition: Partition) -> dict[str, Manifest | None]:
    """Every manifest of the partition by unit id; None where it cannot be read or belongs elsewhere."""
    folder = manifest_folder(partition)
    names = (stored.key.removeprefix(folder).removesuffix(".json") for stored in objects.list(folder))
    units = [unit for unit in map(parse_unit, names) if unit is not None]
    manifests = concurrently(lambda unit: _read_manifest(objects, partition, unit), units)
    return {unit.id: manifest for unit, manifest in zip(units, manifests, strict=True)}


def _read_manifest(objects: Objects, partition: Partition, unit: WorkKey) -> Manifest | None:
    try:
        manifest = Manifest.decode(objects.get(manifest_key(partition, unit)))
    except (ReferenceNotFoundError, ValueError):
        return None
    return manifest if _names_its_own(manifest, partition, unit) else None


def _names_its_own(manifest: Manifest, partition: Partition, unit: WorkKey) -> bool:
    """Whether the objects of a manifest are those of its unit, and no others."""
    keys = tuple(each.key for each in manifest.objects)
    if isinstance(unit, UnitKey):
        return keys == tuple(raw_key(table, partition, unit) for table in partition.raw_tables)
    (table,) = partition.raw_tables
    return bool(keys) and all(key.startswith(f"{raw_folder(table, partition)}{unit.id}.") for key in keys)
