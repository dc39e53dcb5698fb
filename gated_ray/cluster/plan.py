"""What is to be done for one model: all its units, and which of them the store already holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gated_ray.architectures.finding import find_architecture
from gated_ray.cluster.identity import model_identity
from gated_ray.cluster.model_row import model_row
from gated_ray.cluster.units import PackedUnit, split_into_units
from gated_ray.cluster.work import Publishing, Work
from gated_ray.settings import SweepSettings
from gated_ray.sources.checkpoint import open_checkpoint
from gated_ray.store.keys import Partition
from gated_ray.store.objects import Objects
from gated_ray.store.publication import published
from gated_ray.store.units import committed_units


@dataclass(frozen=True)
class PlannedModel:
    """What is kept of a model's plan once its units are on their way: a few numbers.

    Attributes:
        reference: as the user wrote it.
        row: its row of the models table, as far as it is known before it is measured.
        blocks, neurons, units, size: of the whole model; the size in bytes of stored weights, or in tokens.
        units_left, size_left: of them, what the store lacked.
        is_published: nothing was left to do.
    """

    reference: str
    partition: Partition
    row: Mapping[str, Any]
    blocks: int
    neurons: int
    units: int
    size: int
    units_left: int
    size_left: int
    is_published: bool


@dataclass(frozen=True)
class ModelPlan:
    """One model: all its units, and those that remain.

    `remaining` is empty and `is_published` true where the store has everything.
    """

    reference: str
    publishing: Publishing
    units: tuple[Work, ...]
    remaining: tuple[Work, ...]
    blocks: int
    neurons: int
    is_published: bool

    @property
    def partition(self) -> Partition:
        return self.publishing.partition

    def record(self) -> PlannedModel:
        """The numbers."""
        return PlannedModel(
            reference=self.reference,
            partition=self.partition,
            row=self.publishing.model_row,
            blocks=self.blocks,
            neurons=self.neurons,
            units=len(self.units),
            size=sum(unit.size for unit in self.units),
            units_left=len(self.remaining),
            size_left=sum(unit.size for unit in self.remaining),
            is_published=self.is_published,
        )


def plan_model(reference: str, settings: SweepSettings, objects: Objects) -> ModelPlan:
    """Resolve a reference, find its blocks, and subtract what the store holds.

    Raises:
        GatedRayError: it cannot be read, or the store cannot.
    """
    checkpoint = open_checkpoint(reference, settings.models.endpoint_url)
    architecture = find_architecture(checkpoint, settings.architectures.extra)
    blocks = architecture.blocks
    partition = Partition(checkpoint.name, checkpoint.revision(), settings.profile.name)
    identity = model_identity(settings.profile, blocks)
    units = tuple(
        PackedUnit.pack(unit)
        for unit in split_into_units(partition, checkpoint.location, blocks, settings.cluster.max_unit_bytes, identity)
    )
    row = model_row(checkpoint, architecture, settings.profile)
    publishing = Publishing(partition, tuple(unit.key for unit in units), row, identity)
    is_published = published(objects, partition, identity) is not None
    done = set() if is_published else set(committed_units(objects, partition, identity))
    remaining = () if is_published else tuple(unit for unit in units if unit.key.id not in done)
    neurons = sum(block.neurons for block in blocks)
    return ModelPlan(reference, publishing, units, remaining, len(blocks), neurons, is_published)
