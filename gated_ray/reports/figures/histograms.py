"""The plain model's counterpart of the scatter: how cos(w_in, w_out) is distributed in every layer."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.figure import Figure

from gated_ray.reports.figures.bars import COLOURS
from gated_ray.reports.figures.panels import cosine_axes, layer_panels, one_panel_each
from gated_ray.reports.figures.regions import band_words, mismatched_region
from gated_ray.reports.figures.style import styled
from gated_ray.reports.layer_rows import heading, layer_rows

_EDGES = np.linspace(-1, 1, 41)  # bins of 0.05, so that the threshold falls between two of them
_MIDDLES = (_EDGES[1:] + _EDGES[:-1]) / 2
_COLOURS = [
    COLOURS["enrichment"] if middle > 0.5 else COLOURS["depletion"] if middle < -0.5 else "#9A9A9A"
    for middle in _MIDDLES
]


def in_out_histograms(neurons: pa.Table, layers: pa.Table, title: str | None = None) -> Figure:
    """One panel a layer and component: the share of its neurons in 40 bins of cos(w_in, w_out), each panel to its own highest bin.

    Args:
        neurons: columns ``layer``, ``component`` and ``cos_in_out`` of schema `NEURONS`, one model; nulls are left out.
        layers: rows of the layers table (schema `LAYERS`) of the same model, revision and profile.
        title: the heading; ``org/name @ revision`` when None.

    Raises:
        InputError: the layers table is empty or holds more than one model.
    """
    rows = layer_rows(layers)
    regions = [mismatched_region(layers, row, "in_out") for row in rows]
    note = (
        f"{one_panel_each(rows)}, scaled to its highest bin; bins of 0.05. Red: enrichment, blue: depletion (threshold ±0.5, "
        "dashed). Dotted: median."
    )
    if any(regions):
        note += f" {band_words(layers, 'band')}"
    with styled():
        figure, panels = layer_panels(
            rows, title or heading(layers), "cos($w_\\mathrm{in}$, $w_\\mathrm{out}$)", "neurons", note
        )
        for axes, row, region in zip(panels, rows, regions, strict=True):
            mine = pc.and_(pc.equal(neurons["layer"], row.layer), pc.equal(neurons["component"], row.component))
            cosines = neurons.filter(mine)["cos_in_out"].drop_null().to_numpy()
            counts, _ = np.histogram(cosines, bins=_EDGES)
            shares = counts / max(len(cosines), 1)
            axes.bar(_MIDDLES, shares, width=0.05, color=_COLOURS)
            cosine_axes(axes, across=True, up=False)
            axes.set(ylim=(0, 1.08 * max(shares.max(), 1e-9)), yticks=())
            if len(cosines):
                axes.axvline(float(np.median(cosines)), color="black", linewidth=0.8, linestyle=":")
            if region:
                axes.axvspan(*region, color="#000000", alpha=0.10, linewidth=0, zorder=0.5)
    return figure
