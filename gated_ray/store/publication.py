"""The record of one published model: written after its tables, so that it being there and true is being published."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from gated_ray.errors import ReferenceNotFoundError
from gated_ray.store.keys import TABLES, Partition, published_key, table_folder
from gated_ray.store.objects import Objects, StoredObject
from gated_ray.store.records import FORMAT, RecordedObject, decode_json, encode_json, same_identity


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

    def keys(self, table: str) -> list[str]:
        """Keys of one of `TABLES`, in the order of its rows."""
        return [each.key for each in self.tables if each.key.startswith(table_folder(table, self.partition))]

    def is_whole(self, stored: Mapping[str, StoredObject]) -> bool:
        """Whether all tables are among these listed objects, with the recorded sizes and (where known) ETags."""
        return all(each.key in stored and stored[each.key].holds(each) for each in self.tables)

    def encode(self) -> bytes:
        return encode_json({"format": FORMAT, **asdict(self), "partition": self.partition.path})

    @classmethod
    def decode(cls, body: bytes) -> "Publication":
        """Raises ValueError where `body` is not the record of a publication."""
        document = decode_json(body)
        try:
            return cls(
                partition=Partition.parse(str(document["partition"])),
                tables=tuple(RecordedObject.from_document(each) for each in document["tables"]),
                rows={table: int(document["rows"][table]) for table in TABLES},
                identity=dict(document["identity"]),
                units=tuple(str(unit) for unit in document["units"]),
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


def published(objects: Objects, partition: Partition, identity: Mapping[str, Any]) -> Publication | None:
    """The publication, if it has this identity and all its tables are there as recorded, by one GET and a listing a table."""
    publication = read_publication(objects, partition)
    if publication is None or not same_identity(publication.identity, identity):
        return None
    stored = {each.key: each for table in TABLES for each in objects.list(table_folder(table, partition))}
    return publication if publication.is_whole(stored) else None
