"""One pass over a model's neurons, layer by layer: what its figures are drawn from, and never the whole model at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from gated_ray.reports.failures import reading
from gated_ray.reports.frequencies import FREQUENCY, LayerFrequencies, layer_frequencies
from gated_ray.reports.layer_rows import LayerRow
from gated_ray.reports.neuron_keys import KEY_COLUMNS
from gated_ray.reports.quantiles import NORMS, LayerQuantiles, layer_quantiles
from gated_ray.reports.thinning import drawn_neurons
from gated_ray.vocabulary import COSINES

_PLACE = ["layer", "component"]
_COLUMNS = [*_PLACE, *KEY_COLUMNS, *COSINES, *NORMS, "io_class"]
_HISTOGRAM_COLUMNS = [*_PLACE, "cos_in_out"]


@dataclass(frozen=True)
class NeuronPass:
    """What is kept of a model's neurons."""

    drawn: pa.Table
    """At most a few thousand neurons a layer, with cosines and norms (see `drawn_neurons`)."""
    in_out: pa.Table
    """Of a plain model, cos_in_out of every neuron, for histograms; of a gated one, no rows."""
    quantiles: list[LayerQuantiles]
    """Over all neurons."""
    frequencies: dict[str, list[LayerFrequencies]]
    """By token dataset; of gated layers alone."""


def read_neurons(
    neurons: ds.Dataset, activations: dict[str, ds.Dataset], rows: Sequence[LayerRow], url: str, model: str
) -> NeuronPass:
    """Read one model's neurons (and activations) once, a layer and component at a time.

    Args:
        neurons: schema `NEURONS`, of one model, revision and profile.
        activations: by dataset, schema `ACTIVATIONS` of the same and of that dataset alone; none where the store has none.
        rows: of the model's layers table.
        url, model: of the store and the model, for the error.

    Raises:
        StoreError: the rows cannot be read.
    """
    drawn, in_out, quantiles = [], [], []
    frequencies: dict[str, list[LayerFrequencies]] = {name: [] for name in activations}
    for row in rows:
        mine = (pc.field("layer") == row.layer) & (pc.field("component") == row.component)
        with reading(url, f"the neurons of {model}"):
            table = neurons.to_table(columns=_COLUMNS, filter=mine)
        drawn.append(drawn_neurons(table, row))
        quantiles.append(layer_quantiles(table, row))
        if not row.gated:
            in_out.append(table.select(_HISTOGRAM_COLUMNS))
            continue
        for name, dataset in activations.items():
            with reading(url, f"the neurons of {model}"):
                active = dataset.to_table(columns=[*KEY_COLUMNS, FREQUENCY], filter=mine)
            frequencies[name].append(layer_frequencies(table, active, row))
    empty = neurons.schema.empty_table().select(_HISTOGRAM_COLUMNS)
    return NeuronPass(pa.concat_tables(drawn), pa.concat_tables([empty, *in_out]), quantiles, frequencies)
