"""The paper's figure: how every neuron's input weights relate to what it writes, layer by layer."""

from collections.abc import Mapping, Sequence

import pyarrow as pa
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from gated_ray.reports.figures.histograms import in_out_histograms
from gated_ray.reports.figures.panels import heading_axes, layer_panels, one_panel_each
from gated_ray.reports.figures.points import PointLayer
from gated_ray.reports.figures.regions import THEORY_LINE, Regions, mark_across, mark_up, region_words, regions
from gated_ray.reports.figures.scales import cosine_scale
from gated_ray.reports.figures.style import COSINE_WORDS, WIDTH, styled
from gated_ray.reports.layer_rows import LayerRow, heading, layer_rows
from gated_ray.reports.selected_layers import rows_of_layers
from gated_ray.reports.thinning import POINTS, SEED, drawn_neurons

_POINT_SIZE, _SMALL_PANEL = (
    1.3,
    150,
)  # square points; pixels (at 150 an inch) up to which a panel's points have that size


def cosine_scatter(
    neurons: pa.Table,
    layers: pa.Table,
    title: str | None = None,
    selected: Sequence[int] | None = None,
    width: float = WIDTH,
    vocabulary: str = "io",
) -> Figure:
    """One panel a layer and component: cos(w_gate, w_out) across, cos(w_in, w_out) up, cos(w_gate, w_in) as colour.

    A plain model has cos(w_in, w_out) alone: its panels are histograms of that (see `in_out_histograms`).

    Args:
        neurons: columns ``layer``, ``component`` and the cosines of schema `NEURONS`, one model. Layers of more than `POINTS`
            neurons are thinned by `drawn_neurons`; it does not matter if they were before.
        layers: rows of the layers table (schema `LAYERS`) of the same model, revision and profile.
        title: the heading; ``org/name @ revision`` when None.
        selected: the layers to show; all when None.
        width: of the figure, inches.
        vocabulary: ``io`` or ``rw`` (see `class_names`): how a plain model's histograms name classes.

    Raises:
        InputError: the layers table is empty or holds more than one model, or the model has none of the selected layers.
    """
    rows = rows_of_layers(layer_rows(layers), selected)
    if not any(row.gated for row in rows):
        return in_out_histograms(neurons, layers, title, selected, width, vocabulary)
    found = regions(layers)
    shown = [found[row.layer, row.component] for row in rows]
    with styled():
        figure, panels = layer_panels(
            rows,
            title or heading(layers),
            COSINE_WORDS["cos_gate_out"],
            COSINE_WORDS["cos_in_out"],
            _note(rows, shown, layers["expert"].null_count < layers.num_rows),
            width,
        )
        layer = PointLayer(figure)
        for axes, row, of_panel in zip(panels, rows, shown, strict=True):
            points = _draw(layer, axes, drawn_neurons(neurons, row))
            mark_across(axes, of_panel, "cos_gate_out")
            mark_up(axes, of_panel, "cos_in_out")
        _colour_bar(figure, points, found)
    return figure


def _draw(layer: PointLayer, axes: Axes, neurons: pa.Table) -> PathCollection:
    across, up, colours = (neurons[name].to_numpy() for name in ("cos_gate_out", "cos_in_out", "cos_gate_in"))
    cosine_scale(axes, across=True, up=True)
    size = _POINT_SIZE * max(1.0, axes.get_window_extent().width / _SMALL_PANEL)
    return layer.add(axes, across, up, colours, size, highest=1)


def _colour_bar(figure: Figure, points: PathCollection, found: Mapping[tuple[int, str], Regions]) -> None:
    """With the ends of the regions of cos(w_gate, w_in): in theory, and of the layer whose mismatched one is largest."""
    bar = heading_axes(figure)
    figure.colorbar(points, cax=bar, orientation="horizontal", ticks=[0, 0.5, 1])
    bar.set_ylabel(COSINE_WORDS["cos_gate_in"], rotation=0, ha="right", va="center", labelpad=4)
    bar.tick_params(pad=1.5)
    theory = {each.theory[1] for each in found.values() if each.theory}
    for end in theory:
        bar.plot((end, end), (1, 1.9), clip_on=False, **{**THEORY_LINE, "linestyle": "-", "linewidth": 0.9})
    if highs := [each.gate_in_high for each in found.values() if each.gate_in_high is not None]:
        bar.plot((max(highs),) * 2, (1, 1.9), clip_on=False, color="black", linewidth=0.9)


def _note(rows: list[LayerRow], shown: Sequence[Regions], experts: bool) -> str:
    parts = [f"{one_panel_each(rows)}, one point a neuron, after the canonical sign. Dashed: the class threshold ±0.5."]
    parts.append(region_words(shown, experts))
    if any(each.theory or each.gate_in_high is not None for each in shown):
        parts.append("The same above the colour bar (red, and black for the layer where it is largest).")
    if max(row.classed for row in rows) > POINTS:
        parts.append(f"Panels of more than {POINTS:,} neurons show {POINTS:,} of them, drawn at random (seed {SEED}).")
    if not any(row.classed for row in rows):
        parts.append("No neuron has all three cosines.")
    return " ".join(parts)
