"""All experts of a layer together, from their neurons and their rows of the layers table."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gated_ray.vocabulary import COSINES, IO_CLASSES

Floats = npt.NDArray[np.float64]

Summarise = Callable[
    [
        Mapping[str, Floats | None],
        npt.NDArray[np.int8],
        tuple[float, float],
        Mapping[str, tuple[Floats | None, Floats]],
    ],
    Mapping[str, Any],
]
"""`gated_ray.neurons.summaries.summarise_neurons`, which the store must not import."""

_NO_CLASS = -1
_SHARED = ("layer", "component", "gated", "d_model", "mismatched_regions", "theory_low", "theory_high")
"""Columns in which the experts of a layer cannot differ."""


def expert_layer(neurons: pa.Table, layers: pa.Table, summarise: Summarise) -> dict[str, Any]:
    """The row of the expert_layers table (schema `EXPERT_LAYERS`, without the partition's columns) of one layer of experts.

    Args:
        neurons: all neurons of the experts (schema `NEURONS`), sorted by expert.
        layers: the experts' rows (schema `LAYERS`), sorted likewise.
        summarise: the definitions of the summaries.

    Raises:
        ValueError: the rows are of several layers, components or kinds of block.
    """
    shared = layers.select(_SHARED).group_by(list(_SHARED), use_threads=False).aggregate([]).to_pylist()
    if len(shared) != 1:
        raise ValueError(f"experts of one layer differ in {', '.join(_SHARED)}: {shared[:2]}")
    (row,) = shared
    theory = (row["theory_low"], row["theory_high"])
    pairs = [cosine.removeprefix("cos_") for cosine in COSINES]
    cosines = {pair: _floats(neurons[f"cos_{pair}"]) if row["gated"] or pair == "in_out" else None for pair in pairs}
    regions = {
        pair: ends
        for pair, cosine in cosines.items()
        if cosine is not None and (ends := _region(layers, pair)) is not None
    }
    summary = summarise(cosines, _codes(neurons["io_class"]), theory, regions)
    return {**row, "experts": layers.num_rows, **summary}


def _region(layers: pa.Table, pair: str) -> tuple[Floats | None, Floats] | None:
    """The ends of each neuron's own expert's mismatched region; None where no expert has one."""
    high = layers[f"mismatched_{pair}_high"]
    if high.null_count == len(high):
        return None
    counts = layers["neurons"].to_numpy()
    low = f"mismatched_{pair}_low"
    lows = np.repeat(_floats(layers[low]), counts) if low in layers.column_names else None
    return lows, np.repeat(_floats(high), counts)


def _floats(column: pa.ChunkedArray) -> Floats:
    """NaN for null."""
    values: Floats = column.cast(pa.float64()).to_numpy()
    return values


def _codes(classes: pa.ChunkedArray) -> npt.NDArray[np.int8]:
    """Indices into `IO_CLASSES`, `_NO_CLASS` for null."""
    indices = pc.index_in(classes.cast(pa.string()), value_set=pa.array(IO_CLASSES))
    codes: npt.NDArray[np.int8] = pc.fill_null(indices, _NO_CLASS).to_numpy().astype(np.int8)
    return codes
