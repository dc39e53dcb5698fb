"""Every neuron's values against its cosines: a panel for each pair, coloured by layer."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gated_ray.reports.figures.frame import Frame, say_empty
from gated_ray.reports.figures.points import PointLayer
from gated_ray.reports.figures.scales import cosine_scale, length_scale
from gated_ray.reports.figures.style import COLUMN, COSINE_WORDS, WIDTH

MOST_POINTS = 8_000
"""Most neurons drawn in a panel of all layers: more hide each other."""

_SEED = 0
_POINT_SIZE = 1.1  # square points
_TALL, _COLUMN_TALL = 1.45, 0.95  # inches, the height of a panel


def crossing(
    points: pa.Table,
    cosines: Sequence[str],
    values: Mapping[str, str],
    title: str,
    note: str,
    *,
    lengths: bool,
    width: float = WIDTH,
) -> Figure:
    """A column of panels for every cosine, a line for every other value. To be called inside `styled`.

    Args:
        points: columns ``layer``, the cosines and the values; thinned here to `MOST_POINTS`, which the note then tells.
        cosines: of `COSINES`.
        values: column -> what its axis is called.
        title: the heading.
        note: what else there is to say.
        lengths: whether values are lengths (positive, on a logarithmic axis) or shares (0 to 1).
        width: of the figure, inches.
    """
    points, thinned = _thinned(points)
    pairs = [(name, cosine) for name in values for cosine in cosines]
    frame = Frame(title, width, note=f"{note}{thinned}", columns=len(cosines), bar=True)
    if len(cosines) == 1 and width > COLUMN:  # else panels would be wide and flat
        frame = replace(frame, columns=len(pairs), column_gap=frame.left, all_ticks=True)
    tall = _TALL if width > COLUMN else _COLUMN_TALL
    figure, panels = frame.lines([tall] * (len(pairs) // frame.columns), len(pairs))
    layer = PointLayer(figure)
    for index, (axes, (name, cosine)) in enumerate(zip(panels, pairs, strict=True)):
        if frame.all_ticks or cosine == cosines[0]:
            axes.set_ylabel(values[name])
        if index >= len(pairs) - frame.columns:
            axes.set_xlabel(COSINE_WORDS[cosine], labelpad=2)
        cosine_scale(axes, across=True, positive=cosine == "cos_gate_in")
        if lengths:
            length_scale(axes, points[name].drop_null().to_numpy())
        else:
            axes.set_ylim(0, 1)
        _draw(layer, axes, points, cosine, name)
    if layer.panels:
        drawn = next(iter(layer.panels.values()))
        bar = frame.heading_bar(figure, "layer")
        figure.colorbar(drawn, cax=bar, orientation="horizontal", ticks=drawn.get_clim(), format="{x:.0f}")
    return figure


def _draw(layer: PointLayer, axes: Axes, points: pa.Table, cosine: str, name: str) -> None:
    shown = points.filter(pc.and_(pc.is_valid(points[cosine]), pc.is_valid(points[name])))
    if shown.num_rows == 0:
        say_empty(axes, "no neurons")
        return
    across, up, layers = (shown[column].to_numpy() for column in (cosine, name, "layer"))
    last = max(1, int(pc.max(points["layer"]).as_py()))
    layer.add(axes, across, up, layers, _POINT_SIZE, highest=last)


def _thinned(points: pa.Table) -> tuple[pa.Table, str]:
    """At most `MOST_POINTS` rows by a seeded choice, shuffled so that no layer hides the others; and the note's sentence on it."""
    generator = np.random.default_rng(_SEED)
    if points.num_rows <= MOST_POINTS:
        return points.take(generator.permutation(points.num_rows)), ""
    chosen = generator.choice(points.num_rows, MOST_POINTS, replace=False)
    return points.take(chosen), f" {MOST_POINTS:,} of {points.num_rows:,} points, drawn at random (seed {_SEED})."
