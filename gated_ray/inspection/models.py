"""One checkpoint inspected: its blocks by kind, and the units that a sweep would make of it."""

from dataclasses import asdict, dataclass
from typing import Any

from gated_ray.architectures.finding import find_architecture
from gated_ray.cluster.units import split_into_units
from gated_ray.inspection.descriptions import Row, rows_of
from gated_ray.settings import InspectSettings
from gated_ray.sources.checkpoint import open_checkpoint
from gated_ray.store.keys import Partition


@dataclass(frozen=True)
class Inspection:
    """What was understood of one checkpoint.

    Attributes:
        reference: as the user wrote it.
        name: org/name, or the last component of a folder or prefix.
        revision: the Hub's commit; None for a folder or bucket, whose content is not digested here.
        model_type: of config.json, of the whole model; None where it has none.
        rule: model_type of the text backbone, by which its blocks are read where that is listed; None where it has none.
        resolved_by: ``rules``, ``names`` or ``extra`` (`gated_ray.architectures.finding.Architecture`).
        left_out: stacks and layers that are no part of the text backbone.
        caveat: what such models do besides, which no fixed vector shows; None for nothing.
        rows: the blocks.
        units: that a sweep would make.
        largest_unit: bytes.
        max_unit_bytes: that units stay below, where blocks allow it.
        bytes: of stored weights that a sweep reads.
    """

    reference: str
    name: str
    revision: str | None
    model_type: str | None
    rule: str | None
    resolved_by: str
    left_out: tuple[str, ...]
    caveat: str | None
    rows: tuple[Row, ...]
    units: int
    largest_unit: int
    max_unit_bytes: int
    bytes: int

    @property
    def blocks(self) -> int:
        return sum(row.blocks for row in self.rows)

    @property
    def neurons(self) -> int:
        return sum(row.blocks * row.description.neurons for row in self.rows)

    def as_json(self) -> dict[str, Any]:
        """Everything, for machines."""
        rows = [
            {"layers": row.layers, "experts": row.experts, "blocks": row.blocks, "bytes": row.bytes}
            | asdict(row.description)
            for row in self.rows
        ]
        return asdict(self) | {"blocks": self.blocks, "neurons": self.neurons, "rows": rows}


def inspect_model(reference: str, settings: InspectSettings) -> Inspection:
    """Read a checkpoint's config and headers and say what they mean.

    Raises:
        GatedRayError: the checkpoint cannot be had or read; the message is one line that says why.
    """
    checkpoint = open_checkpoint(reference, settings.models.endpoint_url)
    found = find_architecture(checkpoint, settings.architectures.extra)
    said = checkpoint.config.get("model_type")
    revision = checkpoint.location.revision or None
    partition = Partition(checkpoint.name, revision or "local", "none")
    most = settings.cluster.max_unit_bytes
    units = split_into_units(partition, checkpoint.location, found.blocks, most, identity={})  # to be counted only
    return Inspection(
        reference=reference,
        name=checkpoint.name,
        revision=revision,
        model_type=said if isinstance(said, str) else None,
        rule=found.model_type,
        resolved_by=found.resolved_by,
        left_out=found.left_out,
        caveat=found.caveat,
        rows=tuple(rows_of(found.blocks)),
        units=len(units),
        largest_unit=max(unit.bytes for unit in units),
        max_unit_bytes=most,
        bytes=sum(unit.bytes for unit in units),
    )
