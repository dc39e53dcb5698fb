"""Letter-value plots ("boxen"): how the cosines, and the norms, of every layer's neurons are distributed."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from gated_ray.reports.figures.frame import Frame, say_empty
from gated_ray.reports.figures.rectangles import draw_rectangles
from gated_ray.reports.figures.regions import THEORY_LINE, Regions, region_words, regions
from gated_ray.reports.figures.scales import cosine_scale, length_scale
from gated_ray.reports.figures.sections import LayerAxis, layer_axis
from gated_ray.reports.figures.style import COLUMN, COSINE_WORDS, WIDTH, styled
from gated_ray.reports.layer_rows import heading
from gated_ray.reports.quantiles import LEVELS, NORMS, TAILS, LayerQuantiles
from gated_ray.vocabulary import COSINES

_PANEL, _COLUMN_PANEL = 1.35, 1.05  # inches, the height of a panel
_COLOUR = "#2A6F97"
_PALEST = 0.22  # of the colour, in the outermost box
_WIDEST, _NARROWEST = 0.86, 0.26  # of the room between two layers
_MISMATCHED_LINE: dict[str, Any] = {"color": "black", "linewidth": 0.5, "zorder": 2.6}
_BOXES = (
    f"Boxes hold the middle {', '.join(f'{100 * (1 - 2 * tail):.3g}' for tail in TAILS)} % of the layer's neurons, from the "
    "widest to the narrowest; white: median; dots: least and greatest."
)
NORM_WORDS = {
    "norm_gate": "‖$w_\\mathrm{gate}$‖",
    "norm_in": "‖$w_\\mathrm{in}$‖",
    "norm_out": "‖$w_\\mathrm{out}$‖",
}
"""The norms as axes are labelled."""


def cosine_boxes(
    quantiles: Sequence[LayerQuantiles], layers: pa.Table, title: str | None = None, width: float = WIDTH
) -> Figure:
    """One panel a cosine, one letter-value box a layer, with the randomness regions; a plain model has one cosine.

    Args:
        quantiles: of every layer and component of one model (see `model_quantiles`).
        layers: rows of the layers table (schema `LAYERS`) of the same model, revision and profile.
        title: the heading; ``org/name @ revision`` when None.
        width: of the figure, inches.

    Raises:
        InputError: the layers table is empty or holds more than one model.
    """
    cosines = COSINES if any(each.row.gated for each in quantiles) else COSINES[-1:]
    found = regions(layers)
    words = region_words(list(found.values()), layers["expert"].null_count < layers.num_rows, "Black lines")
    note = f"{_BOXES} Dashed: the class threshold ±0.5. {words}"
    with styled():
        figure, panels, axis = _panels(quantiles, cosines, title or heading(layers), note, width)
        for axes, cosine in zip(panels, cosines, strict=True):
            axes.set_ylabel(COSINE_WORDS[cosine])
            cosine_scale(axes, up=True, positive=cosine == "cos_gate_in")
            rows = [each.row for each in quantiles]
            marked = [found[row.layer, row.component] for row in rows]
            _mark(axes, [axis.position(row) for row in rows], marked, cosine)
    return figure


def norm_boxes(
    quantiles: Sequence[LayerQuantiles], layers: pa.Table, title: str | None = None, width: float = WIDTH
) -> Figure:
    """One panel a norm (of w_gate, w_in and w_out), one letter-value box a layer; a plain model has no w_gate.

    Args and errors as for `cosine_boxes`.
    """
    norms = NORMS if any(each.row.gated for each in quantiles) else NORMS[1:]
    note = f"{_BOXES} Lengths of the vectors as prepared (the gain of the norm before the block folded in), logarithmic scale."
    with styled():
        figure, panels, _ = _panels(quantiles, norms, title or heading(layers), note, width)
        for axes, norm in zip(panels, norms, strict=True):
            axes.set_ylabel(NORM_WORDS[norm])
    return figure


def _panels(
    quantiles: Sequence[LayerQuantiles], names: Sequence[str], title: str, note: str, width: float
) -> tuple[Figure, list[Axes], LayerAxis]:
    frame = Frame(title, width, "layer", note=note)
    rows = [each.row for each in quantiles]
    axis = layer_axis(rows, frame.panel_width)
    figure, panels = frame.stacked([_PANEL if width > COLUMN else _COLUMN_PANEL] * len(names))
    for axes, name in zip(panels, names, strict=True):
        shown = [each for each in quantiles if name in each.values]
        positions = np.array([axis.position(each.row) for each in shown])
        values = np.array([each.values[name] for each in shown]).reshape(len(shown), len(LEVELS))
        if name in NORMS:
            length_scale(axes, values[values > 0])
        if len(shown):
            _draw(axes, positions, values)
        else:
            say_empty(axes, "no neuron has this value")
        axis.draw(axes, named=axes is panels[0])
    return figure, panels, axis


def _draw(axes: Axes, positions: np.ndarray, values: np.ndarray) -> None:
    """A nest of boxes at each position, from quantiles at `LEVELS`."""
    boxes = len(TAILS)
    colour = np.array(to_rgb(_COLOUR))
    for index in range(boxes):
        inward = index / (boxes - 1)
        shade = 1 - (1 - colour) * (_PALEST + (1 - _PALEST) * inward)
        low, high = values[:, 1 + index], values[:, -2 - index]
        width = _NARROWEST + (_WIDEST - _NARROWEST) * inward
        draw_rectangles(axes, positions, width, low, high, facecolor=tuple(shade), linewidth=0, zorder=1)
    dots: dict[str, Any] = {"linestyle": "", "marker": ".", "markersize": 1.2, "color": _COLOUR, "zorder": 1.5}
    for column in (0, -1):
        axes.plot(positions, values[:, column], **dots)
    middle = values[:, values.shape[1] // 2]
    axes.hlines(middle, positions - _WIDEST / 2, positions + _WIDEST / 2, color="white", linewidth=0.8, zorder=3)


def _mark(axes: Axes, positions: Sequence[float], found: Sequence[Regions], cosine: str) -> None:
    """The ends of the regions of each layer, as lines as wide as the layer."""
    for name, style in (("theory", THEORY_LINE), ("mismatched", _MISMATCHED_LINE)):
        ends = [
            (position, end)
            for position, each in zip(positions, found, strict=True)
            for end in _ends(each, name, cosine)
        ]
        if ends:
            x, y = np.array(ends).T
            axes.hlines(y, x - 0.5, x + 0.5, **style)


def _ends(found: Regions, name: str, cosine: str) -> tuple[float, ...]:
    if cosine == "cos_gate_in":
        high = found.gate_in_high if name == "mismatched" else found.theory[1] if found.theory else None
        return () if high is None else (high,)
    return (found.mismatched[cosine] if name == "mismatched" else found.theory) or ()
