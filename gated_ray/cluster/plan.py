"""The whole plan before any work: which models, which units, which of them the store already holds."""

import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from gated_ray.architectures.blocks import Block
from gated_ray.architectures.finding import find_architecture
from gated_ray.cluster.identity import model_identity
from gated_ray.cluster.model_row import model_row
from gated_ray.cluster.units import Publishing, Unit, internal_error, split_into_units
from gated_ray.errors import GatedRayError, StoreError
from gated_ray.settings import SweepSettings
from gated_ray.sources.checkpoint import open_checkpoint
from gated_ray.store.keys import Partition
from gated_ray.store.objects import Objects
from gated_ray.store.publication import published
from gated_ray.store.units import committed_units

_RESOLVERS = 8


@dataclass(frozen=True)
class Failure:
    """Something asked for that is not in the store.

    Attributes:
        reference: the model, as the user wrote it.
        message: one line: what and why.
        traceback: for ``debug=true``.
    """

    reference: str
    message: str
    traceback: str = ""


@dataclass(frozen=True)
class ModelPlan:
    """One model: all its units, and those that remain.

    `remaining` is empty and `is_published` true where the store has everything.
    """

    reference: str
    publishing: Publishing
    units: tuple[Unit, ...]
    remaining: tuple[Unit, ...]
    is_published: bool

    @property
    def partition(self) -> Partition:
        return self.publishing.partition

    @property
    def blocks(self) -> tuple[Block, ...]:
        return tuple(block for unit in self.units for block in unit.blocks)


@dataclass(frozen=True)
class Plan:
    """Every model asked for, planned or failed."""

    models: tuple[ModelPlan, ...]
    failures: tuple[Failure, ...]


def make_plan(settings: SweepSettings, objects: Objects) -> Plan:
    """Resolve every reference, find its blocks, and subtract what the store holds.

    A model that cannot be planned becomes a `Failure`; the others go on. The same model asked for twice is planned once.

    Raises:
        StoreError: the store cannot be read.
    """

    def plan_one(reference: str) -> ModelPlan | Failure:
        try:
            return _plan_model(reference, settings, objects)
        except StoreError:
            raise
        except GatedRayError as error:
            return Failure(reference, _naming(reference, str(error)), traceback.format_exc())
        except Exception as error:  # noqa: BLE001 - a bug in reading one model must not stop the others
            return Failure(reference, f"{reference}: {internal_error(error)}", traceback.format_exc())

    with ThreadPoolExecutor(_RESOLVERS) as pool:
        results = list(pool.map(plan_one, dict.fromkeys(settings.models.refs)))
    models: dict[Partition, ModelPlan] = {}
    for result in results:
        if isinstance(result, ModelPlan):
            models.setdefault(result.partition, result)
    return Plan(tuple(models.values()), tuple(result for result in results if isinstance(result, Failure)))


def _naming(reference: str, message: str) -> str:
    return message if reference in message else f"{reference}: {message}"


def _plan_model(reference: str, settings: SweepSettings, objects: Objects) -> ModelPlan:
    checkpoint = open_checkpoint(reference, settings.models.endpoint_url)
    architecture = find_architecture(checkpoint, settings.architectures.extra)
    partition = Partition(checkpoint.name, checkpoint.revision(), settings.profile.name)
    identity = model_identity(settings.profile, architecture.blocks)
    units = split_into_units(
        partition, checkpoint.location, architecture.blocks, settings.cluster.max_unit_bytes, identity
    )
    row = model_row(checkpoint, architecture, settings.profile)
    publishing = Publishing(partition, tuple(unit.key for unit in units), row, identity)
    is_published = published(objects, partition, identity) is not None
    done = set() if is_published else set(committed_units(objects, partition, identity))
    remaining = () if is_published else tuple(unit for unit in units if unit.key.id not in done)
    return ModelPlan(reference, publishing, tuple(units), remaining, is_published)
