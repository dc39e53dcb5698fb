"""Shards of tokens as work: what is handed from the driver to the workers to take a model's activation statistics."""

import pickle
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gated_ray.activations.partial import Part
from gated_ray.architectures.finding import Architecture
from gated_ray.cluster.work import Need, Publishing
from gated_ray.settings import StatisticsSettings
from gated_ray.sources.checkpoint import Checkpoint
from gated_ray.store.keys import Partition, ShardKey
from gated_ray.store.tokens import TokenShard

_MOST_SECONDS = 3600.0
_LEAST_SPEED = 1.0
"""Tokens a second: of a large model on a CPU."""


@dataclass(frozen=True)
class ModelToRun:
    """What a worker needs to run a model: one object for all its shards.

    Attributes:
        packed: its checkpoint and architecture, pickled by this process for its own workers and compressed.
        digest: differs whenever the model does.
    """

    packed: bytes = field(repr=False)
    digest: str

    @classmethod
    def pack(cls, checkpoint: Checkpoint, architecture: Architecture, digest: str) -> "ModelToRun":
        pickled = pickle.dumps((checkpoint, architecture), pickle.HIGHEST_PROTOCOL)
        return cls(zlib.compress(pickled, 1), digest)

    def unpack(self) -> tuple[Checkpoint, Architecture]:
        checkpoint, architecture = pickle.loads(zlib.decompress(self.packed))  # noqa: S301 - what `pack` made
        return checkpoint, architecture


@dataclass(frozen=True)
class ShardWork:
    """One shard of a token dataset, for one model.

    Attributes:
        partition: model, revision, dataset and profile.
        key: which shard.
        tokens: where the store of results holds it.
        model: what to run.
        model_rank: of the model among others: the larger, the sooner, so that a worker has shards of one model after another.
        resident: bytes that the model takes with its statistics.
        gpus: over which the model is spread.
        statistics: settings.
        parts: of the model.
        identity: every setting that shapes the numbers.
    """

    partition: Partition
    key: ShardKey
    tokens: TokenShard
    model: ModelToRun
    model_rank: float
    resident: int
    statistics: StatisticsSettings
    parts: Mapping[str, Part]
    identity: Mapping[str, Any]

    @property
    def size(self) -> int:
        return self.tokens.tokens

    @property
    def rank(self) -> float:
        return self.model_rank

    @property
    def place(self) -> str:
        return f"token shard {self.key.shard}"

    @property
    def need(self) -> Need:
        return Need(resident=self.resident)

    @property
    def most_seconds(self) -> float:
        return _MOST_SECONDS + self.size / _LEAST_SPEED


@dataclass(frozen=True)
class PublishingStatistics(Publishing):
    """Merging and publishing a model's statistics.

    Attributes:
        parts: names of the parts of every shard, in order.
        top: documents that each ranking keeps.
    """

    parts: tuple[str, ...]
    top: int
