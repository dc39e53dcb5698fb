"""The paper's figure: how every neuron's input weights relate to what it writes, layer by layer."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from gated_ray.reports.figures.histograms import in_out_histograms
from gated_ray.reports.figures.panels import cosine_axes, heading_axes, layer_panels, one_panel_each
from gated_ray.reports.figures.regions import band_words, mismatched_region
from gated_ray.reports.figures.style import styled
from gated_ray.reports.layer_rows import LayerRow, heading, layer_rows
from gated_ray.vocabulary import COSINES

POINTS = 4000
"""Most neurons drawn in a panel: more hide each other."""

_SEED = 0


def cosine_scatter(neurons: pa.Table, layers: pa.Table, title: str | None = None) -> Figure:
    """One panel a layer and component: cos(w_gate, w_out) across, cos(w_in, w_out) up, cos(w_gate, w_in) as colour.

    A plain model has cos(w_in, w_out) alone: its panels are histograms of that (see `in_out_histograms`).

    Args:
        neurons: columns ``layer``, ``component`` and the cosines of schema `NEURONS`, one model. Layers of more than `POINTS`
            neurons are thinned by `drawn_neurons`; it does not matter if they were before.
        layers: rows of the layers table (schema `LAYERS`) of the same model, revision and profile.
        title: the heading; ``org/name @ revision`` when None.

    Raises:
        InputError: the layers table is empty or holds more than one model.
    """
    rows = layer_rows(layers)
    if not any(row.gated for row in rows):
        return in_out_histograms(neurons, layers, title)
    with styled():
        figure, panels = layer_panels(
            rows,
            title or heading(layers),
            "cos($w_\\mathrm{gate}$, $w_\\mathrm{out}$)",
            "cos($w_\\mathrm{in}$, $w_\\mathrm{out}$)",
            _note(rows, layers),
        )
        for axes, row in zip(panels, rows, strict=True):
            points = _draw(axes, drawn_neurons(neurons, row))
            _shade(axes, layers, row)
        bar = heading_axes(figure)
        figure.colorbar(points, cax=bar, orientation="horizontal", ticks=[0, 0.5, 1])
        bar.set_ylabel("cos($w_\\mathrm{gate}$, $w_\\mathrm{in}$)", rotation=0, ha="right", va="center", labelpad=4)
        bar.tick_params(pad=1.5)
    return figure


def drawn_neurons(neurons: pa.Table, row: LayerRow, points: int = POINTS) -> pa.Table:
    """The neurons of one panel that have all three cosines, thinned to ``points`` by a seeded choice, in their order.

    The choice depends on the layer, the component and the rows' order alone. What was thinned before is returned unchanged.
    """
    mine = pc.and_(pc.equal(neurons["layer"], row.layer), pc.equal(neurons["component"], row.component))
    for cosine in COSINES:
        mine = pc.and_(mine, pc.is_valid(neurons[cosine]))
    table = neurons.filter(mine)
    if table.num_rows <= points:
        return table
    generator = np.random.default_rng([_SEED, row.layer, *row.component.encode()])
    return table.take(np.sort(generator.choice(table.num_rows, points, replace=False)))


def _draw(axes: Axes, neurons: pa.Table) -> PathCollection:
    x, y, colour = (neurons[name].to_numpy() for name in ("cos_gate_out", "cos_in_out", "cos_gate_in"))
    cosine_axes(axes, across=True, up=True)
    return axes.scatter(x, y, c=colour, s=1.3, linewidths=0, cmap="viridis", vmin=0, vmax=1, rasterized=True)


def _shade(axes: Axes, layers: pa.Table, row: LayerRow) -> None:
    across, up = (mismatched_region(layers, row, cosine) for cosine in ("gate_out", "in_out"))
    if across and up:
        axes.axvspan(*across, color="#000000", alpha=0.10, linewidth=0, zorder=0.5)
        axes.axhspan(*up, color="#000000", alpha=0.10, linewidth=0, zorder=0.5)


def _note(rows: list[LayerRow], layers: pa.Table) -> str:
    parts = [f"{one_panel_each(rows)}, one point a neuron, after the canonical sign. Dashed: the class threshold ±0.5."]
    if any(mismatched_region(layers, row, "in_out") for row in rows):
        parts.append(band_words(layers, "bands"))
    if max(row.classed for row in rows) > POINTS:
        parts.append(f"Panels of more than {POINTS:,} neurons show {POINTS:,} of them, drawn at random (seed {_SEED}).")
    return " ".join(parts)
