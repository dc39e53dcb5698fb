"""The activation statistics and examples of a model as data files of some neurons each."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from gated_ray.reports.atlas.activity import Activity
from gated_ray.reports.atlas.blocks import Block
from gated_ray.reports.atlas.encoding import in_base64, three_digits
from gated_ray.reports.atlas.example_files import EXAMPLE_COLUMNS, example_file
from gated_ray.reports.atlas.neuron_files import floats
from gated_ray.reports.atlas.pieces import Pieces, Positions
from gated_ray.reports.layer_rows import LayerRow
from gated_ray.vocabulary import QUADRANTS, QUANTITIES

NEURONS = 128
"""Of a file: of consecutive neurons of a layer and component."""

STATISTICS = (
    "gate_positive_freq",
    "routed_share",
    *(f"{quadrant}_{name}" for quadrant in QUADRANTS for name in ("freq", *(f"mean_{each}" for each in QUANTITIES))),
)
_COLUMNS = ["expert", "neuron", "tokens", "nan_tokens", *STATISTICS]


def activity_files(
    activity: Activity, row: LayerRow, part: list[Block], pieces: Pieces
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The files of the neurons of some blocks of a layer and component, numbered; none where the store has no activations of them.

    Each has the counts of tokens; ``statistics``, for each of `STATISTICS` the `three_digits` of all its neurons; and, where
    there are examples, ``examples``, as `example_file` makes them.
    """
    mine = _of_part(row, part)
    activations = activity.activations.to_table(columns=_COLUMNS, filter=mine)
    if activations.num_rows == 0:
        return
    examples = None
    if activity.examples is not None:
        ranked = mine & (pc.field("quantity") == "post")
        examples = activity.examples.to_table(columns=EXAMPLE_COLUMNS, filter=ranked)
    yield from _files(activations, examples, part, pieces)


def _files(
    activations: pa.Table, examples: pa.Table | None, part: list[Block], pieces: Pieces
) -> Iterator[tuple[int, dict[str, Any]]]:
    neurons = sum(block.neurons for block in part)
    statistics = _statistics(activations, part, neurons)
    tokens, without = (_counts(activations, name, part, neurons) for name in ("tokens", "nan_tokens"))
    if examples is not None:
        places = _places(examples, part)
        order = np.argsort(places, kind="stable")
        examples, places = examples.take(order), places[order]
    for number, first in enumerate(range(0, neurons, NEURONS)):
        last = min(first + NEURONS, neurons)
        document = {
            "tokens": tokens[first:last],
            "nan_tokens": without[first:last],
            "statistics": [in_base64(three_digits(values[first:last])) for values in statistics],
        }
        if examples is not None:
            begin, end = np.searchsorted(places, [first, last])
            mine = examples.slice(begin, end - begin)
            document["examples"] = example_file(mine, places[begin:end] - first, last - first, pieces)
        yield number, document


def _of_part(row: LayerRow, part: list[Block]) -> ds.Expression:
    """The rows of some blocks of a layer and component."""
    place = (pc.field("layer") == row.layer) & (pc.field("component") == row.component)
    first, last = part[0].expert, part[-1].expert
    if first is None or last is None:
        return place
    return place & (pc.field("expert") >= first) & (pc.field("expert") <= last)


def _places(table: pa.Table, part: list[Block]) -> Positions:
    """Of each row its neuron, counted through all blocks of the part."""
    experts = np.array([-1 if block.expert is None else block.expert for block in part])
    starts = np.array([block.start - part[0].start for block in part], dtype=np.int64)
    of_rows = pc.fill_null(table["expert"], -1).to_numpy()
    places: Positions = starts[np.searchsorted(experts, of_rows)] + table["neuron"].to_numpy()
    return places


def _statistics(activations: pa.Table, part: list[Block], neurons: int) -> npt.NDArray[np.float64]:
    """(statistics, neurons); NaN where the store has none."""
    statistics = np.full((len(STATISTICS), neurons), np.nan)
    statistics[:, _places(activations, part)] = [floats(activations[name]) for name in STATISTICS]
    return statistics


def _counts(activations: pa.Table, name: str, part: list[Block], neurons: int) -> list[int | None]:
    counts: list[int | None] = [None] * neurons
    for place, count in zip(_places(activations, part).tolist(), activations[name].to_pylist(), strict=True):
        counts[place] = count
    return counts
