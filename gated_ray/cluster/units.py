"""What is handed from the driver to the workers, and back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gated_ray.architectures.blocks import Block
from gated_ray.sources.origin import Location
from gated_ray.store.keys import Partition, UnitKey


@dataclass(frozen=True)
class Unit:
    """The least work that is done, committed and retried as one: some blocks of one layer of one model.

    Attributes:
        partition: model, revision and profile.
        key: which blocks.
        location: where the weights are.
        blocks: the blocks, each with its tensors' places, so that no worker reads headers again.
    """

    partition: Partition
    key: UnitKey
    location: Location
    blocks: tuple[Block, ...]

    @property
    def bytes(self) -> int:
        """Bytes of stored weights."""
        return sum(block.bytes for block in self.blocks)


@dataclass(frozen=True)
class Publishing:
    """Compacting and publishing one model whose units are all committed."""

    partition: Partition
    units: tuple[UnitKey, ...]
    model_row: Mapping[str, Any]


@dataclass(frozen=True)
class Receipt:
    """What came of one unit or publication: small, whatever the unit's size.

    Attributes:
        error: None where it is in the store, else the one line for the user.
        kind: the error's class by who can act on it: ``input``, ``store``, ``transient`` or ``bug``.
        again: units that turned out not to be in the store as recorded.
        traceback: for ``debug=true``.
    """

    error: str | None = None
    kind: str = ""
    again: tuple[UnitKey, ...] = ()
    traceback: str = ""


def internal_error(error: Exception) -> str:
    """The one line for an exception that nobody foresaw."""
    return f"internal error ({type(error).__name__}: {' '.join(str(error).split())}); please report it"


def split_into_units(
    partition: Partition, location: Location, blocks: Sequence[Block], max_unit_bytes: int
) -> list[Unit]:
    """Units of one model: the blocks of one layer and component together, split where they exceed `max_unit_bytes`."""
    units: list[Unit] = []
    run: list[Block] = []
    for block in sorted(blocks, key=_order):
        same_layer = run and (run[0].layer, run[0].component) == (block.layer, block.component)
        if run and not (same_layer and sum(each.bytes for each in run) + block.bytes <= max_unit_bytes):
            units.append(_unit(partition, location, run))
            run = []
        run.append(block)
    if run:
        units.append(_unit(partition, location, run))
    return units


def _order(block: Block) -> tuple[int, str, int]:
    return block.layer, block.component, block.expert or 0


def _unit(partition: Partition, location: Location, blocks: Sequence[Block]) -> Unit:
    first, last = blocks[0], blocks[-1]
    key = UnitKey(first.layer, first.component, first.expert or 0, last.expert or 0)
    return Unit(partition, key, location, tuple(blocks))
