"""How the cosines and norms of a layer's neurons are distributed: quantiles far into the tails, a few numbers a layer."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gated_ray.reports.layer_rows import LayerRow, layer_rows
from gated_ray.vocabulary import COSINES

NORMS = ("norm_gate", "norm_in", "norm_out")

TAILS = (1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 64, 1 / 128)
"""Shares of the neurons that lie below (and above) the boxes of a letter-value plot, from the innermost box."""

LEVELS = np.array([0, *TAILS[::-1], 1 / 2, *(1 - tail for tail in TAILS), 1])
"""The quantiles that are taken: least, lower ends of the boxes from the outermost, median, upper ends, greatest."""


@dataclass(frozen=True)
class LayerQuantiles:
    """The distributions of one layer and component, over all its neurons."""

    row: LayerRow
    values: Mapping[str, np.ndarray]
    """Cosine or norm -> its quantiles at `LEVELS`; without those that no neuron of the layer has."""


def layer_quantiles(neurons: pa.Table, row: LayerRow) -> LayerQuantiles:
    """The quantiles of one layer and component.

    Args:
        neurons: columns ``layer``, ``component``, the cosines and the norms of schema `NEURONS`; other layers' are passed over.
            Nulls and norms that are not finite are left out.
        row: the layer and component.
    """
    mine = neurons.filter(pc.and_(pc.equal(neurons["layer"], row.layer), pc.equal(neurons["component"], row.component)))
    values = {}
    for name in (*COSINES, *NORMS):
        column = mine[name].drop_null().to_numpy()
        finite = column[np.isfinite(column)]
        if len(finite):
            values[name] = np.quantile(finite.astype(np.float64), LEVELS)
    return LayerQuantiles(row, values)


def model_quantiles(neurons: pa.Table, layers: pa.Table) -> list[LayerQuantiles]:
    """The quantiles of every layer and component of one model, in the order of reports.

    Raises:
        InputError: the layers table is empty or holds more than one model.
    """
    return [layer_quantiles(neurons, row) for row in layer_rows(layers)]
