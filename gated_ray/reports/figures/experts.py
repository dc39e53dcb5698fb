"""Mixtures of experts: the classes of every expert in every layer, and of the shared experts against the routed ones."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from gated_ray.reports.class_names import CLASS_ORDER, class_words
from gated_ray.reports.expert_shares import ExpertShares, expert_shares, shared_rows
from gated_ray.reports.figures.bars import COLOURS
from gated_ray.reports.figures.frame import Frame
from gated_ray.reports.figures.scales import layer_scale, share_scale
from gated_ray.reports.figures.style import COLUMN, WIDTH, styled
from gated_ray.reports.layer_rows import component_words, heading

_TALL, _COLUMN_TALL = 1.2, 0.8  # inches, the height of a panel
_TITLE_LINE, _LONG = 0.125, 24  # inches; letters of a class that needs two lines
_DARKEST = {
    "conditional_enrichment": "#8F2A0B",
    "proportional_change": "#7A5C00",
    "orthogonal_output": "#3B3B3B",
    "conditional_depletion": "#16507F",
}
"""Where the scales of classes end whose own colour is pale."""
_MISSING = "#F3EFE6"
_SHARED, _ROUTED = "#D55E00", "#0072B2"


def expert_heatmap(
    layers: pa.Table, component: str = "expert", title: str | None = None, vocabulary: str = "io", width: float = WIDTH
) -> Figure:
    """One panel a class: layers across, experts up, the share of the expert's neurons as colour, each panel to its own highest.

    Args:
        layers: rows of the layers table (schema `LAYERS`) of one model, revision and profile.
        component: the experts to show, one of `expert_components`.
        title: the heading; ``org/name @ revision`` when None.
        vocabulary: ``io`` or ``rw`` (see `class_names`).
        width: of the figure, inches.

    Raises:
        InputError: the layers table is empty or holds more than one model.
    """
    found = expert_shares(layers, component)
    note = (
        "One cell an expert: the share of its neurons that are of the class, from white (none) to the darkest (the share given "
        "above the panel). Beige: no such expert, or none of its neurons has a class."
    )
    name = component_words(component).removesuffix("s")
    with styled():
        figure, panels = _panels(title or heading(layers), name, note, width)
        for axes, io_class, shares in zip(panels, CLASS_ORDER, found.shares, strict=True):
            highest = float(np.nanmax(shares, initial=0.0))
            _heat(axes, found, shares, io_class, highest or 1.0)
            _headed(axes, f"{class_words(io_class, vocabulary)}: to {100 * highest:.3g} %")
    return figure


def shared_and_routed(
    layers: pa.Table, component: str = "expert", title: str | None = None, vocabulary: str = "io", width: float = WIDTH
) -> Figure:
    """One panel a class: its share in the shared expert, beside its shares in the routed experts.

    Args and errors as for `expert_heatmap`. Where there is no shared expert, the routed ones are shown alone and the note says so.
    """
    found = expert_shares(layers, component)
    shared = [row for row in shared_rows(layers, component) if row.classed]
    keys: list[Artist] = [
        Line2D([], [], color=_ROUTED, linewidth=1.2, label="median of the routed experts"),
        Patch(facecolor=_ROUTED, alpha=0.22, linewidth=0, label="the middle 90 % of them"),
    ]
    if shared:
        look: dict[str, Any] = {"linestyle": "--", "marker": ".", "markersize": 3}
        keys.append(Line2D([], [], color=_SHARED, linewidth=1.2, label="shared expert", **look))
    note = "Shares of the neurons that have a class, each panel to its own highest."
    if not shared:
        note += " The model has no shared expert."
    with styled():
        figure, panels = _panels(title or heading(layers), "share of neurons", note, width, keys)
        for axes, io_class, shares in zip(panels, CLASS_ORDER, found.shares, strict=True):
            highest = _lines(axes, found, shares)
            beside = [row.counts[io_class] / row.classed for row in shared]
            across = [row.layer for row in shared]
            axes.plot(across, beside, color=_SHARED, linewidth=0.9, linestyle="--", marker=".", markersize=2.2)
            share_scale(axes, max([highest, *beside]))
            layer_scale(axes, found.layers[0], found.layers[-1], most_ticks=4)
            _headed(axes, class_words(io_class, vocabulary))
    return figure


def _panels(
    title: str, y_label: str, note: str, width: float, keys: Sequence[Artist] = ()
) -> tuple[Figure, list[Axes]]:
    """A panel for every class: two classes a line in a column, four on a page."""
    columns = 4 if width > COLUMN else 2
    frame = Frame(
        title,
        width,
        "layer",
        y_label,
        note,
        keys,
        key_columns=3 if width > COLUMN else 1,
        columns=columns,
        column_gap=0.42,
        titles=2 * _TITLE_LINE + 0.04,
        all_ticks=True,
    )
    lines = -(-len(CLASS_ORDER) // columns)
    return frame.lines([_TALL if width > COLUMN else _COLUMN_TALL] * lines, len(CLASS_ORDER))


def _heat(axes: Axes, found: ExpertShares, shares: np.ndarray, io_class: str, highest: float) -> None:
    """Cells at their layers' numbers, so that layers without experts are gaps."""
    first, last = found.layers[0], found.layers[-1]
    cells = np.full((shares.shape[1], last - first + 1), np.nan)
    cells[:, np.array(found.layers) - first] = shares.T
    typical = io_class.removeprefix("atypical_")
    colours = ["white", COLOURS[typical], _DARKEST.get(typical, "black")]
    scale = LinearSegmentedColormap.from_list(io_class, colours).with_extremes(bad=_MISSING)
    extent = (first - 0.5, last + 0.5, -0.5, shares.shape[1] - 0.5)
    axes.imshow(
        cells, cmap=scale, vmin=0, vmax=highest, aspect="auto", origin="lower", extent=extent, interpolation="nearest"
    )
    layer_scale(axes, first, last, most_ticks=4)
    axes.set_xlim(first - 0.5, last + 0.5)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))


def _lines(axes: Axes, found: ExpertShares, shares: np.ndarray) -> float:
    """The routed experts' median and middle 90 % in every layer; returns the highest value drawn, 0 where there is none."""
    known = [(layer, values[np.isfinite(values)]) for layer, values in zip(found.layers, shares, strict=True)]
    known = [(layer, values) for layer, values in known if len(values)]
    if not known:
        return 0.0
    across = [layer for layer, _ in known]
    low, middle, high = np.array([np.quantile(values, (0.05, 0.5, 0.95)) for _, values in known]).T
    axes.fill_between(across, low, high, color=_ROUTED, alpha=0.22, linewidth=0)
    axes.plot(across, middle, color=_ROUTED, linewidth=1.0, marker="." if len(across) < 8 else "", markersize=3)
    return float(high.max())


def _headed(axes: Axes, words: str) -> None:
    """What a panel is of, above it; in two lines where it is long."""
    if len(words) > _LONG:
        middle = min((at for at, letter in enumerate(words) if letter == " "), key=lambda at: abs(at - len(words) / 2))
        words = f"{words[:middle]}\n{words[middle + 1 :]}"
    axes.set_title(words, fontsize=6.5, pad=2, linespacing=1.1)
