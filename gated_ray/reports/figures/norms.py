"""The cosines of every neuron against the lengths of its vectors."""

import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.figure import Figure

from gated_ray.reports.figures.boxes import NORM_WORDS
from gated_ray.reports.figures.crossing import crossing
from gated_ray.reports.figures.style import WIDTH, styled
from gated_ray.reports.layer_rows import heading, layer_rows
from gated_ray.reports.quantiles import NORMS
from gated_ray.reports.thinning import POINTS, drawn_neurons
from gated_ray.vocabulary import COSINES


def cosines_and_norms(neurons: pa.Table, layers: pa.Table, title: str | None = None, width: float = WIDTH) -> Figure:
    """A panel for every cosine (across) and norm (up), one point a neuron, coloured by layer; a plain model has one and two.

    Args:
        neurons: columns ``layer``, ``component``, the cosines and the norms of schema `NEURONS`, one model. Layers of more than
            `POINTS` neurons are thinned by `drawn_neurons`; it does not matter if they were before.
        layers: rows of the layers table (schema `LAYERS`) of the same model, revision and profile.
        title: the heading; ``org/name @ revision`` when None.
        width: of the figure, inches.

    Raises:
        InputError: the layers table is empty or holds more than one model.
    """
    rows = layer_rows(layers)
    points = pa.concat_tables(drawn_neurons(neurons, row) for row in rows)
    gated = any(row.gated for row in rows)
    norms = NORMS if gated else NORMS[1:]
    for norm in norms:
        points = points.filter(pc.and_(pc.is_finite(points[norm]), pc.greater(points[norm], 0)))
    note = "One point a neuron; lengths of the vectors as prepared. Dashed: the class threshold ±0.5."
    if max(row.classed for row in rows) > POINTS:
        note += f" At most {POINTS:,} neurons of a layer, drawn at random."
    cosines = COSINES if gated else COSINES[-1:]
    with styled():
        values = {norm: NORM_WORDS[norm] for norm in norms}
        return crossing(points, cosines, values, title or heading(layers), note, lengths=True, width=width)
