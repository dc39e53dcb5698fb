"""Axes that several figures have: lengths on a logarithmic scale, shares, layers, cosines."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from gated_ray.reports.figures.style import GREY

_STEPS = [1, 2, 5, 10]


def length_scale(axes: Axes, values: np.ndarray) -> None:
    """A logarithmic y axis a little beyond these positive values, with plain numbers at 1, 2 and 5.

    It is at least a factor of 2.5 long, so that there are two numbers on it.
    """
    low, high = (float(values.min()), float(values.max())) if len(values) else (1.0, 1.0)
    wide = max(1.1, float(np.sqrt(max(1.0, 2.5 * low / high))))
    axes.set_yscale("log")
    axes.set_ylim(low / wide, high * wide)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 1e3 else (1,)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())


def share_scale(axes: Axes, highest: float) -> None:
    """A y axis from 0 to a little beyond the highest share, in percent."""
    axes.set_ylim(0, 1.08 * highest if highest else 1)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=3, steps=_STEPS))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.3g}%"))


def layer_scale(axes: Axes, first: int, last: int, most_ticks: int) -> None:
    """An x axis of layer numbers."""
    axes.set_xlim(first - 0.6, last + 0.6)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=most_ticks, integer=True, min_n_ticks=1, steps=_STEPS))


def cosine_scale(axes: Axes, across: bool = False, up: bool = False, positive: bool = False) -> None:
    """-1 to 1 (or 0 to 1 where `positive`) with thin dashed lines at the class threshold, across, up, or both."""
    all_ticks = {-1.0: "\N{MINUS SIGN}1", -0.5: "", 0.0: "0", 0.5: "", 1.0: "1"}
    ticks = [tick for tick in all_ticks if tick >= 0 or not positive]
    labels = [all_ticks[tick] for tick in ticks]
    line: dict[str, Any] = {"color": GREY, "linewidth": 0.5, "linestyle": (0, (3, 2)), "zorder": 0.6}
    thresholds = [threshold for threshold in (-0.5, 0.5) if threshold > ticks[0]]
    if across:
        axes.set(xlim=(ticks[0], 1), xticks=ticks, xticklabels=labels)
        first, *_, last = axes.xaxis.get_major_ticks()
        first.label1.set_horizontalalignment("left")  # so that the labels of neighbours do not touch
        last.label1.set_horizontalalignment("right")
        for threshold in thresholds:
            axes.axvline(threshold, **line)
    if up:
        axes.set(ylim=(ticks[0], 1), yticks=ticks, yticklabels=labels)
        for threshold in thresholds:
            axes.axhline(threshold, **line)
