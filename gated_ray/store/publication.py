"""The record of one published model: written after its tables, so that it being there and true is being published."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from gated_ray.errors import ReferenceNotFoundError
from gated_ray.store.keys import (
    Partition,
    WorkKey,
    is_of_units,
    manifest_folder,
    manifest_key,
    parse_unit,
    published_key,
    raw_folder,
    table_folder,
)
from gated_ray.store.objects import Objects, StoredObject
from gated_ray.store.records import RecordedObject, decode_json, encode_json, same_identity, sha256

_FORMAT = 4
"""Raised with every change of this record, so that models are published again from their units."""


@dataclass(frozen=True)
class Publication:
    """The published tables of one partition and what they were made of."""

    partition: Partition
    tables: tuple[RecordedObject, ...]
    """Every parquet file: neurons by part, layers, expert_layers if there are experts, models."""
    rows: Mapping[str, int]
    """Rows of each table."""
    identity: Mapping[str, Any]
    """Every setting that shaped the numbers."""
    units: tuple[str, ...]
    """Ids of the units whose rows these are."""
    state: str
    """`state_digest` of those units' manifests and raw objects."""

    def keys(self, table: str) -> list[str]:
        """Keys of one of the partition's tables, in the order of its rows."""
        return [each.key for each in self.tables if each.key.startswith(table_folder(table, self.partition))]

    def is_whole(self, stored: Mapping[str, StoredObject]) -> bool:
        """Whether all tables are among these listed objects, with the recorded sizes and (where known) ETags."""
        return all(each.key in stored and stored[each.key].holds(each) for each in self.tables)

    def encode(self) -> bytes:
        return encode_json({"format": _FORMAT, **asdict(self), "partition": self.partition.path})

    @classmethod
    def decode(cls, body: bytes) -> "Publication":
        """Raises ValueError where `body` is not the record of a publication."""
        document = decode_json(body, _FORMAT)
        try:
            return cls(
                partition=Partition.parse(str(document["partition"])),
                tables=tuple(RecordedObject.from_document(each) for each in document["tables"]),
                rows={str(table): int(rows) for table, rows in dict(document["rows"]).items()},
                identity=dict(document["identity"]),
                units=tuple(str(unit) for unit in document["units"]),
                state=str(document["state"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a publication: {error!r}") from error


def read_publication(objects: Objects, partition: Partition) -> Publication | None:
    """The partition's record of publication, whatever the state of its tables; None where it cannot be read."""
    try:
        publication = Publication.decode(objects.get(published_key(partition)))
    except (ReferenceNotFoundError, ValueError):
        return None
    return publication if publication.partition == partition else None


def whole_publication(objects: Objects, partition: Partition) -> Publication | None:
    """The publication, if all its tables are there as recorded, as far as listings tell: a GET and a listing a table.

    Raises:
        StoreError, TransientError: the store could not be read.
    """
    publication = read_publication(objects, partition)
    if publication is None:
        return None
    return publication if publication.is_whole(_tables(objects, publication, digest=False)) else None


def _tables(objects: Objects, publication: Publication, *, digest: bool) -> dict[str, StoredObject]:
    partition = publication.partition
    folders = [table_folder(table, partition) for table in partition.tables if publication.keys(table)]
    return {each.key: each for folder in folders for each in objects.list(folder, digest=digest)}


def published(objects: Objects, partition: Partition, identity: Mapping[str, Any]) -> Publication | None:
    """The publication, if it has this identity, and its tables and the units that it was made of are there as recorded.

    Costs a GET and a listing of each table and of the units' three folders; where a listing does not tell ETags, as in a
    folder, everything is read. So a write that came late, of a worker believed dead, is found by the next sweep.

    Raises:
        StoreError, TransientError: the store could not be read.
    """
    publication = read_publication(objects, partition)
    if publication is None or not same_identity(publication.identity, identity):
        return None
    if not publication.is_whole(_tables(objects, publication, digest=True)):
        return None
    units = [unit for unit in map(parse_unit, publication.units) if unit is not None]
    raw = [
        each
        for table in partition.raw_tables
        for each in objects.list(raw_folder(table, partition), digest=True)
        if is_of_units(each.key, publication.units)
    ]
    state = state_digest([*list_manifests(objects, partition, units), *raw])
    return publication if state == publication.state else None


def list_manifests(objects: Objects, partition: Partition, units: Iterable[WorkKey]) -> list[StoredObject]:
    """The manifests of these units, with their ETags.

    Raises:
        StoreError, TransientError: the store could not be read.
    """
    keys = {manifest_key(partition, unit) for unit in units}
    return [each for each in objects.list(manifest_folder(partition), digest=True) if each.key in keys]


def state_digest(stored: Iterable[StoredObject]) -> str:
    """SHA-256 over the keys, sizes and ETags of stored objects, in any order."""
    lines = sorted(f"{each.key} {each.size} {each.etag}\n" for each in stored)
    return sha256("".join(lines).encode())
