"""The plain model's counterpart of the scatter: how cos(w_in, w_out) is distributed in every layer."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.figure import Figure

from gated_ray.reports.class_names import class_words
from gated_ray.reports.figures.bars import COLOURS
from gated_ray.reports.figures.panels import layer_panels, one_panel_each
from gated_ray.reports.figures.rectangles import draw_rectangles
from gated_ray.reports.figures.regions import mark_across, region_words, regions
from gated_ray.reports.figures.scales import cosine_scale
from gated_ray.reports.figures.style import COSINE_WORDS, WIDTH, styled
from gated_ray.reports.layer_rows import heading, layer_rows
from gated_ray.reports.selected_layers import rows_of_layers

_EDGES = np.linspace(-1, 1, 41)  # bins of 0.05, so that the threshold falls between two of them
_MIDDLES = (_EDGES[1:] + _EDGES[:-1]) / 2
_COLOURS = [
    COLOURS["enrichment"] if middle > 0.5 else COLOURS["depletion"] if middle < -0.5 else "#9A9A9A"
    for middle in _MIDDLES
]


def in_out_histograms(
    neurons: pa.Table,
    layers: pa.Table,
    title: str | None = None,
    selected: Sequence[int] | None = None,
    width: float = WIDTH,
    vocabulary: str = "io",
) -> Figure:
    """One panel a layer and component: the share of its neurons in 40 bins of cos(w_in, w_out), each panel to its own highest bin.

    Args:
        neurons: columns ``layer``, ``component`` and ``cos_in_out`` of schema `NEURONS`, one model; nulls are left out.
        layers: rows of the layers table (schema `LAYERS`) of the same model, revision and profile.
        title: the heading; ``org/name @ revision`` when None.
        selected: the layers to show; all when None.
        width: of the figure, inches.
        vocabulary: ``io`` or ``rw`` (see `class_names`).

    Raises:
        InputError: the layers table is empty or holds more than one model, or the model has none of the selected layers.
    """
    rows = rows_of_layers(layer_rows(layers), selected)
    found = regions(layers)
    shown = [found[row.layer, row.component] for row in rows]
    red, blue = (class_words(name, vocabulary) for name in ("enrichment", "depletion"))
    note = (
        f"{one_panel_each(rows)}, scaled to its highest bin; bins of 0.05. Red: {red}, blue: {blue} (threshold ±0.5, "
        f"dashed). Black dots: median. {region_words(shown, layers['expert'].null_count < layers.num_rows, 'Grey band')}"
    )
    if not any(row.classed for row in rows):
        note += " No neuron has this cosine."
    with styled():
        figure, panels = layer_panels(
            rows, title or heading(layers), COSINE_WORDS["cos_in_out"], "neurons", note, width
        )
        for axes, row, of_panel in zip(panels, rows, shown, strict=True):
            mine = pc.and_(pc.equal(neurons["layer"], row.layer), pc.equal(neurons["component"], row.component))
            cosines = neurons.filter(mine)["cos_in_out"].drop_null().to_numpy()
            counts, _ = np.histogram(cosines, bins=_EDGES)
            shares = counts / max(len(cosines), 1)
            draw_rectangles(axes, _MIDDLES, 0.05, np.zeros(len(shares)), shares, facecolor=_COLOURS, linewidth=0)
            cosine_scale(axes, across=True)
            axes.set(ylim=(0, 1.08 * max(shares.max(), 1e-9)), yticks=())
            if len(cosines):
                axes.axvline(float(np.median(cosines)), color="black", linewidth=0.8, linestyle=":")
            mark_across(axes, of_panel, "cos_in_out")
    return figure
