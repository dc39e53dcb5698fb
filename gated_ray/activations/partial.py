"""Statistics over one shard of tokens as tables, part by part, and back."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import torch

from gated_ray.activations.rankings import Rankings
from gated_ray.activations.segments import COUNTS, LISTS
from gated_ray.activations.statistics import NeuronStatistics
from gated_ray.architectures.blocks import Block, BlockPlace
from gated_ray.store.keys import UnitKey
from gated_ray.store.statistics import statistics_schema
from gated_ray.vocabulary import QUADRANTS, QUANTITIES

_MOST_PART_BYTES = 64 << 20
"""Of a part's statistics in memory; its rows, as they are published, take ten times as much while they are made (measured)."""
_CPU = torch.device("cpu")

Part = tuple[BlockPlace, ...]
"""Blocks of one layer and component whose statistics are stored and merged together."""


def parts_of(blocks: Sequence[Block], top: int) -> dict[str, Part]:
    """The parts of a model by name, in order; all experts of a layer where they are small, else runs of them."""
    size = NeuronStatistics.bytes_a_neuron(top)
    runs: list[list[Block]] = []
    for block in sorted(blocks, key=lambda block: (block.layer, block.component, block.expert or 0)):
        run = runs[-1] if runs else []
        joins = run and (run[-1].layer, run[-1].component) == (block.layer, block.component)
        if joins and size * (sum(each.neurons for each in run) + block.neurons) <= _MOST_PART_BYTES:
            run.append(block)
        else:
            runs.append([block])
    return {_name(run): tuple(block.place for block in run) for run in runs}


def _name(run: Sequence[Block]) -> str:
    first, last = run[0], run[-1]
    return UnitKey(first.layer, first.component, first.expert or 0, last.expert or 0).id


def schema_of(top: int) -> pa.Schema:
    """Of a part's table, for rankings of so many documents."""
    return statistics_schema(len(COUNTS), len(QUADRANTS) * len(QUANTITIES), len(LISTS), top)


def part_tables(
    parts: Mapping[str, Part],
    found: Mapping[BlockPlace, NeuronStatistics],
    signs: Mapping[BlockPlace, torch.Tensor],
    top: int,
) -> Iterator[tuple[str, pa.Table]]:
    """Every part's name and table.

    Args:
        parts: of the model.
        found: statistics by block; blocks that no token reached may be missing.
        signs: the canonical signs, (neurons,) int8, by block.
        top: documents that each ranking keeps.
    """
    for name, places in parts.items():
        tables = []
        for place in places:
            neurons = len(signs[place])
            statistics = found.get(place) or NeuronStatistics.empty(neurons, top, _CPU)
            tables.append(_table(place, statistics, signs[place], top))
        yield name, pa.concat_tables(tables).combine_chunks()


def _table(place: BlockPlace, statistics: NeuronStatistics, sign: torch.Tensor, top: int) -> pa.Table:
    layer, component, expert = place
    count, schema = len(sign), schema_of(top)

    def by_neuron(name: str, values: torch.Tensor) -> pa.Array:
        flat = values.cpu().contiguous().view(-1).numpy()
        return pa.FixedSizeListArray.from_arrays(pa.array(flat), type=schema.field(name).type)

    columns = {
        "layer": pa.array(np.full(count, layer, np.int16)),
        "component": pa.repeat(component, count),
        "expert": pa.nulls(count, pa.int32()) if expert is None else pa.array(np.full(count, expert, np.int32)),
        "neuron": pa.array(np.arange(count, dtype=np.int32)),
        "sign": pa.array(sign.numpy()),
        "tokens": pa.array(statistics.tokens.cpu().numpy()),
        "counts": by_neuron("counts", statistics.counts.T),
        "sums": by_neuron("sums", statistics.sums.T),
        "keys": by_neuron("keys", statistics.rankings.keys.transpose(0, 1)),
        "places": by_neuron("places", statistics.rankings.places.transpose(0, 1)),
    }
    return pa.table(columns, schema=schema)


def statistics_of(table: pa.Table, top: int) -> NeuronStatistics:
    """The statistics that `part_tables` made this table from; all its neurons together."""
    count = table.num_rows

    def flat(name: str) -> torch.Tensor:
        values = table[name].combine_chunks()
        values = values.flatten() if pa.types.is_fixed_size_list(values.type) else values
        return torch.from_numpy(values.to_numpy(zero_copy_only=False).copy())

    def lists(name: str) -> torch.Tensor:
        return flat(name).view(count, len(LISTS), top).transpose(0, 1).contiguous()

    return NeuronStatistics(
        flat("tokens"),
        flat("counts").view(count, -1).T.contiguous(),
        flat("sums").view(count, -1).T.contiguous(),
        Rankings(lists("keys"), lists("places")),
    )
