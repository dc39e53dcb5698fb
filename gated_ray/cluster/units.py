"""What is handed from the driver to the workers, and back."""

import pickle
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from typing import Any

from gated_ray.architectures.blocks import Block
from gated_ray.cluster.work import Need
from gated_ray.measurement import float32_bytes
from gated_ray.sources.origin import Location
from gated_ray.sources.slices import TensorSlice
from gated_ray.store.keys import Partition, UnitKey, WorkKey

Blob = bytes

_MOST_SECONDS = 3600.0
_LEAST_SPEED = 1e6
"""Bytes a second."""


@dataclass(frozen=True)
class Unit:
    """The least work that is done, committed and retried as one: some blocks of one layer of one model.

    Attributes:
        partition: model, revision and profile.
        key: which blocks.
        location: where the weights are.
        blocks: the blocks, each with its tensors' places, so that no worker reads headers again.
        identity: every setting that shapes the numbers, and how the model was understood.
    """

    partition: Partition
    key: UnitKey
    location: Location
    blocks: tuple[Block, ...]
    identity: Mapping[str, Any]

    @cached_property
    def bytes(self) -> int:
        """Bytes of stored weights; what several blocks share, such as a norm's gain, counts once, as it is read once."""
        return sum(part.bytes for part in {part for block in self.blocks for part in block.slices})


@dataclass(frozen=True)
class PackedUnit:
    """A unit as the driver keeps it and sends it: a tenth of the memory, so that a hundred thousand can wait.

    Attributes:
        key: which blocks.
        bytes: of stored weights.
        decoded_bytes: of its largest block in float32.
        packed: the unit, pickled by this process for its own workers and compressed.
    """

    key: UnitKey
    bytes: int
    decoded_bytes: int
    packed: Blob = field(repr=False)

    @property
    def size(self) -> int:
        return self.bytes

    @property
    def rank(self) -> float:
        return float(self.bytes)

    @property
    def place(self) -> str:
        experts = f", experts {self.key.first} to {self.key.last}" if self.key.last else ""
        return f"layer {self.key.layer} ({self.key.component}{experts})"

    @property
    def need(self) -> Need:
        return Need(stored=self.bytes, decoded=self.decoded_bytes)

    @property
    def most_seconds(self) -> float:
        return _MOST_SECONDS + self.bytes / _LEAST_SPEED

    @classmethod
    def pack(cls, unit: Unit) -> "PackedUnit":
        decoded = max(float32_bytes(block) for block in unit.blocks)
        return cls(unit.key, unit.bytes, decoded, zlib.compress(pickle.dumps(unit, pickle.HIGHEST_PROTOCOL), 1))

    def unpack(self) -> Unit:
        unit: Unit = pickle.loads(zlib.decompress(self.packed))  # noqa: S301 - what `pack` made, handed over by Ray
        return unit


@dataclass(frozen=True)
class Receipt:
    """What came of one unit or publication: small, whatever the unit's size.

    Attributes:
        error: None where it is in the store, else the one line for the user.
        kind: the error's class by who can act on it: ``model`` (it cannot be read as it is), ``access``, ``input`` (what else
            the user set), ``store``, ``transient`` or ``bug``.
        again: units that turned out not to be in the store as recorded.
        traceback: for ``debug=true``.
        phases: seconds of work by phase: ``reading``, ``computing``, ``committing`` or ``publishing``.
        notices: what the user should know besides, a line each.
    """

    error: str | None = None
    kind: str = ""
    again: tuple[WorkKey, ...] = ()
    traceback: str = ""
    phases: Mapping[str, float] = field(default_factory=dict)
    notices: tuple[str, ...] = ()


def internal_error(error: Exception) -> str:
    """The one line for an exception that nobody foresaw."""
    return f"internal error ({type(error).__name__}: {' '.join(str(error).split())}); please report it"


def split_into_units(
    partition: Partition,
    location: Location,
    blocks: Sequence[Block],
    max_unit_bytes: int,
    identity: Mapping[str, Any] | None = None,
) -> list[Unit]:
    """Units of one model: the blocks of one layer and component together, split where they exceed `max_unit_bytes`.

    A block, one expert say, is never split: one that is larger is a unit of its own. Units without an identity can be
    counted, not committed.
    """
    return [
        _unit(partition, location, run, identity or {})
        for _, of_layer in groupby(sorted(blocks, key=_order), key=lambda block: (block.layer, block.component))
        for run in _runs(of_layer, max_unit_bytes)
    ]


def _runs(blocks: Iterable[Block], most_bytes: int) -> Iterator[list[Block]]:
    run: list[Block] = []
    held: set[TensorSlice] = set()
    size = 0
    for block in blocks:
        added = sum(part.bytes for part in block.slices if part not in held)
        if run and size + added > most_bytes:
            yield run
            run, held, size, added = [], set(), 0, block.bytes
        run.append(block)
        held.update(block.slices)
        size += added
    if run:
        yield run


def _order(block: Block) -> tuple[int, str, int]:
    return block.layer, block.component, block.expert or 0


def _unit(partition: Partition, location: Location, blocks: Sequence[Block], identity: Mapping[str, Any]) -> Unit:
    first, last = blocks[0], blocks[-1]
    key = UnitKey(first.layer, first.component, first.expert or 0, last.expert or 0)
    return Unit(partition, key, location, tuple(blocks), identity)
