"""What the driver's loop knows of the work that it hands out, whatever it is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from gated_ray.store.keys import Partition, WorkKey

IN_FLIGHT = 2
"""Pieces of work at a time in one worker, so that one is read while the other is computed."""

_COPIES = 3
"""Of a block that is computed, in float32: decoded weights, unit vectors, and room for chunks and for decoding."""
_MEMORY_BESIDES = 768 << 20


@dataclass(frozen=True)
class Need:
    """What work asks of a worker's memory, in bytes.

    Attributes:
        stored: of the largest unit of weights.
        decoded: of the largest block of any, in float32.
        resident: of the largest model that is kept, with its statistics.
    """

    stored: int = 0
    decoded: int = 0
    resident: int = 0

    def with_work(self, all_work: Iterable["Work"]) -> "Need":
        """What suffices for all of this too."""
        need = self
        for work in all_work:
            need = Need(
                max(need.stored, work.need.stored),
                max(need.decoded, work.need.decoded),
                max(need.resident, work.need.resident),
            )
        return need

    @property
    def memory(self) -> int:
        """Bytes for a worker: a few units as they are stored, one block of them in float32, and one model that is kept.

        Quantized weights take up to eight times their stored bytes once they are decoded, but only one block at a time is.
        """
        return IN_FLIGHT * self.stored + _COPIES * self.decoded + self.resident + _MEMORY_BESIDES


class Work(Protocol):
    """The least that is done, committed and retried as one."""

    @property
    def key(self) -> WorkKey:
        """Names it within its partition."""

    @property
    def size(self) -> int:
        """How much it is: bytes of stored weights, or tokens."""

    @property
    def rank(self) -> float:
        """What is larger goes first."""

    @property
    def place(self) -> str:
        """Which part of the model's work it is, for messages."""

    @property
    def need(self) -> Need:
        """What it asks of a worker."""

    @property
    def most_seconds(self) -> float:
        """A worker that takes longer neither dies nor answers any more."""


@dataclass(frozen=True)
class Publishing:
    """Compacting and publishing one model whose units, all of this identity, are all committed."""

    partition: Partition
    units: tuple[WorkKey, ...]
    model_row: Mapping[str, Any]
    identity: Mapping[str, Any]
