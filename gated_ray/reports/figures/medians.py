"""The cross-model figure: median of cos(w_in, w_out) against relative depth, one directly labelled line a model."""

import math
from typing import Any

import numpy as np
import pyarrow as pa
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.optimize import isotonic_regression

from gated_ray.reports.depth_curves import DepthCurve, depth_curves
from gated_ray.reports.figures.style import GREY, WIDTH, new_figure, shortened, styled

_LEFT, _TOP, _BOTTOM, _GAP = 0.6, 0.3, 0.42, 0.5  # inches
_NOTE_HEIGHT = 0.16  # inches
_LEAST_HEIGHT, _LABEL_HEIGHT = 2.3, 0.115  # inches
_LEADER, _SAMPLE, _LETTER = 0.28, 0.3, 0.052  # inches: from the curve's end, of line style, and a label's letter
_LONGEST = 48  # letters of a label

_NOTE = "Layers of several MLPs (a shared expert beside experts): the mean of their medians, weighted by neurons."

_COLOURS = (
    "#000000",
    "#D55E00",
    "#0072B2",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
)  # Okabe and Ito, less its yellow
_LINES = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.2, 1.2, 1.2)), (0, (8, 2)), (0, (3, 1, 1, 1, 1, 1)))


def median_curves(layers: pa.Table, models: pa.Table) -> Figure:
    """One line a model, labelled at its right end; gated and plain models in panels of their own where both occur.

    Args:
        layers: rows of the layers table (schema `LAYERS`), any number of models under one profile.
        models: the models table (schema `MODELS`), for their names. Revisions of one name are labelled ``name @ revision``.

    Raises:
        InputError: no layers, or layers of several profiles.
    """
    curves = depth_curves(layers, models)
    groups = [group for group in ([c for c in curves if c.gated], [c for c in curves if not c.gated]) if group]
    heights = [max(_LEAST_HEIGHT, (len(group) + 1) * _LABEL_HEIGHT) for group in groups]
    letters = min(_LONGEST, max(len(curve.label) for curve in curves))
    width = WIDTH - _LEFT - _LEADER - _SAMPLE - 0.14 - letters * _LETTER
    height = _TOP + sum(heights) + (len(groups) - 1) * (_GAP + _TOP) + _BOTTOM
    averaged = any(curve.averaged for curve in curves)
    height += _NOTE_HEIGHT * averaged
    with styled():
        figure = new_figure(WIDTH, height)
        top = height
        for group, panel_height in zip(groups, heights, strict=True):
            top -= _TOP + panel_height
            axes = figure.add_axes((_LEFT / WIDTH, top / height, width / WIDTH, panel_height / height))
            top -= _GAP
            _draw(axes, group, _limits(curves), width, panel_height)
            axes.set_title("gated models" if group[0].gated else "plain models", loc="left", fontweight="bold")
            axes.set_xlabel("relative depth (layer / last layer)")
        if averaged:
            figure.text(_LEFT / WIDTH, 0.04 / height, _NOTE, va="bottom", fontsize=6, color="#444444")
    return figure


def _draw(axes: Axes, curves: list[DepthCurve], limits: tuple[float, float], width: float, height: float) -> None:
    """Curves from the highest last median down, so that neighbours at the right differ in colour."""
    axes.set(xlim=(0, 1), ylim=limits, ylabel="median cos($w_\\mathrm{in}$, $w_\\mathrm{out}$)")
    axes.axhline(0, color=GREY, linewidth=0.5, zorder=0.5)
    ordered = sorted(curves, key=lambda curve: -_end(curve))
    ends = [(_end(curve) - limits[0]) / (limits[1] - limits[0]) for curve in ordered]
    for index, (curve, end, label) in enumerate(zip(ordered, ends, _spread(ends, _LABEL_HEIGHT / height), strict=True)):
        style: dict[str, Any] = {
            "color": _COLOURS[index % len(_COLOURS)],
            "linestyle": _LINES[index // len(_COLOURS) % len(_LINES)],
        }
        marker: dict[str, Any] = {"marker": "o", "markersize": 2} if len(curve.depths) <= 12 else {}
        axes.plot(curve.depths, curve.medians, label=curve.label, linewidth=1.0, clip_on=False, **marker, **style)
        leader, sample = 1 + _LEADER / width, 1 + (_LEADER + _SAMPLE) / width
        outside: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False}
        axes.plot((curve.depths[-1] + 0.006, leader - 0.006), (end, label), color=GREY, linewidth=0.4, **outside)
        axes.plot((leader, sample), (label, label), linewidth=1.3, **style, **outside)
        text = shortened(curve.label, _LONGEST)
        axes.text(
            sample + 0.06 / width,
            label,
            text,
            va="center_baseline",
            fontsize=6.5,
            transform=axes.transAxes,
            parse_math=False,
        )


def _limits(curves: list[DepthCurve]) -> tuple[float, float]:
    """The same cosines in every panel, zero among them."""
    values = [median for curve in curves for median in curve.medians if not math.isnan(median)]
    low, high = min([0.0, *values]), max([0.0, *values])
    margin = 0.06 * max(high - low, 0.1)
    return low - margin, high + margin


def _end(curve: DepthCurve) -> float:
    """The last median that exists; 0 where none does."""
    return next((median for median in reversed(curve.medians) if not math.isnan(median)), 0.0)


def _spread(heights: list[float], apart: float) -> list[float]:
    """The positions nearest to these descending heights (0 to 1) that are at least ``apart`` and stay within 0 to 1."""
    steps = apart * np.arange(len(heights))
    fitted = isotonic_regression(np.asarray(heights) + steps, increasing=False).x
    return list(np.clip(fitted, steps[-1], 1.0) - steps)
