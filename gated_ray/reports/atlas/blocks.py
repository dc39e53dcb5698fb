"""The blocks of a layer, and how they share data files: as many whole blocks as stay below a bounded size."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from gated_ray.reports.layer_rows import LayerRow
from gated_ray.vocabulary import COSINES

MOST_NEURONS = 32_768
"""Of the blocks that share a file; a larger block has one of its own."""

_COLUMNS = ("expert", "neurons", "neurons_without_cosine", "gated", "theory_low", "theory_high")
_REGION_COLUMNS = tuple(
    f"mismatched_{end}" for end in ("gate_in_high", "gate_out_low", "gate_out_high", "in_out_low", "in_out_high")
)
_MEDIANS = tuple(f"{cosine}_median" for cosine in COSINES)


@dataclass(frozen=True)
class Block:
    """One MLP or expert: the page's facts about it, and where its neurons stand."""

    expert: int | None
    neurons: int
    start: int
    """Neurons of the layer and component before it."""
    facts: dict[str, Any]
    """For the page: medians, and the ends of the randomness regions (None where the profile computed none)."""


def blocks_of(layers: pa.Table, row: LayerRow) -> list[Block]:
    """The blocks of one layer and component, by expert.

    Args:
        layers: the rows of schema `LAYERS` of one model.
        row: which layer and component.
    """
    mine = pc.and_(pc.equal(layers["layer"], row.layer), pc.equal(layers["component"], row.component))
    table = layers.filter(mine).sort_by("expert").select([*_COLUMNS, *_REGION_COLUMNS, *_MEDIANS])
    blocks, start = [], 0
    for found in table.to_pylist():
        blocks.append(Block(found["expert"], found["neurons"], start, _facts(found)))
        start += found["neurons"]
    return blocks


def chunks_of(blocks: list[Block], most: int = MOST_NEURONS) -> Iterator[list[Block]]:
    """The blocks in their order, as many together as have at most this many neurons."""
    chunk: list[Block] = []
    for block in blocks:
        if chunk and sum(each.neurons for each in chunk) + block.neurons > most:
            yield chunk
            chunk = []
        chunk.append(block)
    if chunk:
        yield chunk


def _facts(found: dict[str, Any]) -> dict[str, Any]:
    mismatched = {
        "gate_in": [None, found["mismatched_gate_in_high"]],
        "gate_out": [found["mismatched_gate_out_low"], found["mismatched_gate_out_high"]],
        "in_out": [found["mismatched_in_out_low"], found["mismatched_in_out_high"]],
    }
    return {
        "theory": [found["theory_low"], found["theory_high"]],
        "mismatched": {pair: ends if ends[1] is not None else None for pair, ends in mismatched.items()},
        "medians": [found[name] for name in _MEDIANS],
        "without": found["neurons_without_cosine"],
    }
