"""What every publication does: check the units that it is made of, write tables, and take an earlier one back in time."""

from collections.abc import Mapping, Sequence
from typing import Any

from gated_ray.store.keys import Partition, WorkKey, published_key, table_folder
from gated_ray.store.objects import Objects, concurrently
from gated_ray.store.publication import Publication, read_publication
from gated_ray.store.records import RecordedObject, record, sha256
from gated_ray.store.units import CorruptUnitsError, Manifest, committed_units, read_recorded


class Writer:
    """Writes the tables of one partition, and takes its earlier publication back before the first byte that differs."""

    def __init__(self, objects: Objects, partition: Partition) -> None:
        self._objects = objects
        self._partition = partition
        earlier = read_publication(objects, partition)
        self._earlier = None if earlier is None else {(each.key, each.sha256) for each in earlier.tables}
        self.written: list[RecordedObject] = []

    def put(self, key: str, body: bytes) -> None:
        if self._earlier is not None and (key, sha256(body)) not in self._earlier:
            # Else readers would take a publication that is half overwritten for whole.
            self._objects.delete(published_key(self._partition))
            self._earlier = None
        self.written.append(record(self._objects, key, body))

    def finish(self, publication: Publication) -> None:
        """Remove what an earlier publication left behind, then make this one count."""
        current = {each.key for each in self.written}
        for table in self._partition.tables:
            for stored in list(self._objects.list(table_folder(table, self._partition))):
                if stored.key not in current:
                    self._objects.delete(stored.key)
        self._objects.put(published_key(self._partition), publication.encode())


def sound_manifests(
    objects: Objects, partition: Partition, units: Sequence[WorkKey], identity: Mapping[str, Any]
) -> list[Manifest]:
    """The manifests of `units`, whose raw objects were all read and found to be what they say.

    Raises:
        CorruptUnitsError: some are not.
        StoreError, TransientError: the store could not be read.
    """
    committed = committed_units(objects, partition, identity)
    recorded = [each for unit in units if unit.id in committed for each in committed[unit.id].objects]
    sound = concurrently(lambda each: read_recorded(objects, each) is not None, recorded)
    damaged = {each.key for each, is_sound in zip(recorded, sound, strict=True) if not is_sound}
    wrong = tuple(
        unit
        for unit in units
        if unit.id not in committed or any(each.key in damaged for each in committed[unit.id].objects)
    )
    if wrong:
        raise CorruptUnitsError(partition, wrong)
    return [committed[unit.id] for unit in units]
