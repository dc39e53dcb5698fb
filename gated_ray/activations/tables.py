"""Merged statistics as rows of the published tables: here the canonical sign is applied, and sums become means."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from gated_ray.activations.partial import statistics_of
from gated_ray.activations.rankings import examples
from gated_ray.activations.segments import COUNTS, LISTS
from gated_ray.activations.statistics import NeuronStatistics
from gated_ray.errors import CorruptionError
from gated_ray.vocabulary import QUADRANTS, QUANTITIES

_PLACE = ("layer", "component", "expert", "neuron")
_FLIPPED = {
    quadrant: quadrant.replace("_in+", "_in?").replace("_in-", "_in+").replace("_in?", "_in-") for quadrant in QUADRANTS
}
"""Where a quadrant goes when u changes its sign."""
_ODD = {"post", "in"}
"""Quantities that change theirs with it."""


def merged_tables(parts: Iterable[pa.Table], top: int, tokens: int) -> tuple[pa.Table, pa.Table]:
    """Rows of the activations table and of the examples table, without the columns of the partition.

    Args:
        parts: the same part of every shard, taken one by one, in the order of the shards, so that equal shards give equal
            bytes.
        top: documents that each ranking keeps.
        tokens: of all shards.

    Raises:
        CorruptionError: shards that disagree on neurons or signs.
    """
    iterator = iter(parts)
    first = next(iterator)
    head = first.select([*_PLACE, "sign"])
    statistics = statistics_of(first, top)
    for each in iterator:
        if not each.select([*_PLACE, "sign"]).equals(head):
            raise CorruptionError(
                "shards of one model have other neurons or signs; delete its raw/statistics and run again"
            )
        statistics.merge(statistics_of(each, top))
    flipped = torch.from_numpy(head["sign"].to_numpy() < 0)
    return _activations(head, statistics, flipped, tokens), _examples(head, statistics, flipped)


def _activations(head: pa.Table, statistics: NeuronStatistics, flipped: torch.Tensor, tokens: int) -> pa.Table:
    seen = statistics.tokens.numpy()
    counts = dict(zip(COUNTS, statistics.counts, strict=True))
    places = [(quadrant, quantity) for quadrant in QUADRANTS for quantity in QUANTITIES]
    sums = dict(zip(places, statistics.sums, strict=True))
    experts = head["expert"].is_valid().to_numpy()
    share = np.where(experts, seen / max(tokens, 1), np.nan)
    columns = {name: head[name] for name in (*_PLACE, "sign")} | {
        "tokens": pa.array(seen),
        "nan_tokens": pa.array(counts["nan"].numpy()),
        "routed_share": pa.array(share, from_pandas=True),
        "gate_positive_freq": _ratio(counts["gate+"].numpy(), seen),
    }
    for quadrant in QUADRANTS:
        inside = torch.where(flipped, counts[_FLIPPED[quadrant]], counts[quadrant]).numpy()
        columns[f"{quadrant}_freq"] = _ratio(inside, seen)
        for quantity in QUANTITIES:
            there = sums[_FLIPPED[quadrant], quantity]
            there = -there if quantity in _ODD else there
            total = torch.where(flipped, there, sums[quadrant, quantity]).numpy()
            columns[f"{quadrant}_mean_{quantity}"] = _ratio(total, inside)
    return pa.table(columns)


def _ratio(numbers: npt.NDArray[Any], of: npt.NDArray[np.int64]) -> pa.Array:
    """Null where there is nothing to divide by; zero has no sign."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return pa.array(np.where(of > 0, numbers / of, np.nan) + 0.0, from_pandas=True)


def _examples(head: pa.Table, statistics: NeuronStatistics, flipped: torch.Tensor) -> pa.Table:
    found = examples(statistics.rankings)
    of_flipped = torch.tensor([LISTS.index((_FLIPPED[quadrant], quantity)) for quadrant, quantity in LISTS])
    odd = torch.tensor([quantity in _ODD for _, quantity in LISTS])[:, None, None]

    def signed(values: torch.Tensor, negate: bool) -> npt.NDArray[Any]:
        """(neurons, lists, top), with the lists of flipped neurons in the places that they have with the canonical sign."""
        other = values[of_flipped]
        other = torch.where(odd, -other, other) if negate else other
        joined: npt.NDArray[Any] = torch.where(flipped[None, :, None], other, values).transpose(0, 1).numpy()
        return joined

    documents = signed(found.documents, False)
    there = documents >= 0
    neuron, ranking, rank = np.nonzero(there)

    def name_of(values: tuple[str, ...], which: int) -> pa.Array:
        codes = np.array([values.index(each[which]) for each in LISTS], np.int8)[ranking]
        return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(values))

    place = head.select(_PLACE).take(pa.array(neuron))
    return pa.table(
        {
            **{name: place[name] for name in _PLACE},
            "quadrant": name_of(QUADRANTS, 0),
            "quantity": name_of(QUANTITIES, 1),
            "rank": pa.array(rank.astype(np.int16)),
            "value": pa.array(signed(found.values, True)[there] + np.float32(0)),
            "document": pa.array(documents[there]),
            "position": pa.array(signed(found.positions, False)[there]),
        }
    )
