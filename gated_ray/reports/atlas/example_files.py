"""The strongest examples of some neurons: documents with the text around the peak, and the tokens of all peaks, counted."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gated_ray.reports.atlas.encoding import in_base64, three_digits
from gated_ray.reports.atlas.neuron_files import floats
from gated_ray.reports.atlas.pieces import Pieces, Positions
from gated_ray.vocabulary import QUADRANTS

EXAMPLE_COLUMNS = ["expert", "neuron", "quadrant", "rank", "value", "document", "position"]
"""The columns of schema `EXAMPLES` that the page shows."""

RANKS = 3
"""Documents shown of each quadrant: the strongest by |post|."""
BEFORE, AFTER = 24, 8
"""Tokens shown before and after the peak."""
TOP = 5
"""Most frequent peak tokens shown of each quadrant."""

_NONE = 0xFFFF


def example_file(examples: pa.Table, neurons: Positions, count: int, pieces: Pieces) -> dict[str, Any]:
    """What the page shows of the examples of ``count`` neurons.

    Args:
        examples: `EXAMPLE_COLUMNS`, of quantity ``post`` alone.
        neurons: of each row its neuron, from 0 to ``count - 1``.
        count: neurons.
        pieces: the texts.

    Returns:
        ``words``: the pieces that occur. ``windows``: the texts around peaks, each once however many neurons have it, as
        columns ``document``, ``position``, ``total`` (tokens of the document, 0 where unknown), ``length`` and ``peak``
        (which of its tokens), and ``tokens``, places in ``words``, one window after another. ``shown``: by neuron, quadrant and
        rank a window's place and `three_digits` of the value. ``top``: by neuron, quadrant and rank a place in ``words`` and
        how many peaks it has. 65535 stands for none.
    """
    quadrants = pc.index_in(examples["quadrant"].cast(pa.string()), value_set=pa.array(QUADRANTS)).to_numpy()
    groups = neurons * len(QUADRANTS) + quadrants
    ranks = examples["rank"].to_numpy().astype(np.int64)
    documents, positions = (examples[name].to_numpy().astype(np.int64) for name in ("document", "position"))
    places, _, _ = pieces.places(documents, positions)

    is_shown = ranks < RANKS
    spots, shown = np.unique(np.stack([documents, positions])[:, is_shown], axis=1, return_inverse=True)
    begins, lengths = _spans(*pieces.places(*spots))
    spot_places, spot_first, spot_last = pieces.places(*spots)
    window_codes = pieces.codes[_ranges(begins, lengths)]
    top_groups, top_ranks, top_codes, top_counts = _top(groups, places, ranks, pieces)
    codes, local = np.unique(np.concatenate([window_codes, top_codes]), return_inverse=True)

    slots = (groups * RANKS + ranks)[is_shown]
    windows_shown = _table(count * len(QUADRANTS) * RANKS, slots, shown)
    values = np.full(len(windows_shown), np.nan)
    values[slots] = floats(examples["value"])[is_shown]
    top_slots = top_groups * TOP + top_ranks
    size = count * len(QUADRANTS) * TOP
    return {
        "words": [pieces.words[code] for code in codes],
        "windows": {
            "document": in_base64(spots[0].astype(np.float64)),
            "position": in_base64(spots[1].astype(np.uint32)),
            "total": in_base64((spot_last - spot_first).astype(np.uint32)),
            "length": in_base64(lengths.astype(np.uint8)),
            "peak": in_base64(np.where(lengths > 0, spot_places - begins, 0).astype(np.uint8)),
            "tokens": in_base64(local[: len(window_codes)].astype(np.uint16)),
        },
        "shown": [in_base64(windows_shown), in_base64(three_digits(values))],
        "top": [
            in_base64(_table(size, top_slots, local[len(window_codes) :])),
            in_base64(_table(size, top_slots, top_counts)),
        ],
    }


def _spans(places: Positions, first: Positions, last: Positions) -> tuple[Positions, Positions]:
    """Where the windows around these tokens begin, and how long they are: 0 where a token has no text."""
    begins = np.maximum(first, places - BEFORE)
    lengths = np.where(places < 0, 0, np.minimum(last, places + AFTER + 1) - begins)
    return begins, lengths


def _ranges(begins: Positions, lengths: Positions) -> Positions:
    """begin, begin + 1 ... of each range, one after another."""
    offsets = np.cumsum(lengths) - lengths
    ranges: Positions = np.arange(int(lengths.sum())) + np.repeat(begins - offsets, lengths)
    return ranges


def _top(
    groups: Positions, places: Positions, ranks: Positions, pieces: Pieces
) -> tuple[Positions, Positions, npt.NDArray[np.int32], Positions]:
    """Of each group its most frequent pieces, of equal ones that of the stronger example: group, rank, piece, count."""
    known = places >= 0
    codes = pieces.codes[places[known]]
    keys, inverse, counts = np.unique(np.stack([groups[known], codes]), axis=1, return_inverse=True, return_counts=True)
    strongest = np.full(keys.shape[1], np.iinfo(np.int64).max)
    np.minimum.at(strongest, inverse, ranks[known])
    order = np.lexsort((strongest, -counts, keys[0]))
    sorted_groups = keys[0][order]
    rank = np.arange(len(order)) - np.searchsorted(sorted_groups, sorted_groups)
    kept = rank < TOP
    return sorted_groups[kept], rank[kept], keys[1][order][kept].astype(np.int32), counts[order][kept]


def _table(size: int, slots: Positions, values: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
    """``values`` in their slots, none elsewhere."""
    table = np.full(size, _NONE, dtype=np.uint16)
    table[slots] = values
    return table
