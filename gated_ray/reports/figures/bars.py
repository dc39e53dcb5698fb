"""Stacked bars: the share of every IO class in every layer."""

from typing import Any

import numpy as np
import pyarrow as pa
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, PercentFormatter

from gated_ray.reports.class_names import class_words
from gated_ray.reports.figures.frame import Frame, say_empty
from gated_ray.reports.figures.rectangles import draw_rectangles
from gated_ray.reports.figures.style import COLUMN, WIDTH, styled
from gated_ray.reports.layer_rows import (
    LayerRow,
    classes_of,
    component_words,
    components_of,
    heading,
    layer_rows,
)

_PANEL, _COLUMN_PANEL = 2.35, 1.6  # inches, the height of a panel
_KEY, _LETTER = 0.5, 0.048  # inches: the legend's colour patch with its margins, and a letter

COLOURS = {
    "enrichment": "#A50F15",
    "conditional_enrichment": "#EF7F5A",
    "proportional_change": "#F2D13C",
    "orthogonal_output": "#D9D9D9",
    "depletion": "#1F4E99",
    "conditional_depletion": "#7FB3DC",
}
"""Red hues enrich, blue hues deplete. Told apart by colour-blind readers and, by their lightness, in grey print."""


def class_bars(layers: pa.Table, title: str | None = None, vocabulary: str = "io", width: float = WIDTH) -> Figure:
    """One stacked bar a layer, one panel a component; atypical classes are hatched.

    Args:
        layers: rows of the layers table (schema `LAYERS`) of one model, revision and profile. Experts of a layer are added
            up. Shares are of the neurons that have a class; a layer without such neurons has no bar.
        title: the heading; ``org/name @ revision`` when None.
        vocabulary: ``io`` or ``rw`` (see `class_names`).
        width: of the figure, inches.

    Raises:
        InputError: the table is empty or holds more than one model.
    """
    rows = layer_rows(layers)
    components = components_of(rows)
    classes = classes_of(rows)
    with styled():
        frame = class_frame(title or heading(layers), classes, vocabulary, width, x_label="layer")
        figure, panels = frame.stacked([_PANEL if width > COLUMN else _COLUMN_PANEL] * len(components))
        for axes, component in zip(panels, components, strict=True):
            mine = [row for row in rows if row.component == component]
            draw_shares(axes, [row.layer for row in mine], mine, classes)
            axes.set_xlim(min(row.layer for row in rows) - 0.6, max(row.layer for row in rows) + 0.6)
            axes.xaxis.set_major_locator(
                MaxNLocator(nbins=14 if width > COLUMN else 8, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10])
            )
            if len(components) > 1:
                axes.set_title(component_words(component), loc="right")
        class_legend(panels[0], classes, vocabulary, width)
    return figure


def class_frame(title: str, classes: tuple[str, ...], vocabulary: str, width: float, **options: Any) -> Frame:
    """A frame with room for the key to the classes: at the right of the panels, or in a column below them."""
    if width > COLUMN:
        right = _KEY + _LETTER * max(len(class_words(name, vocabulary)) for name in classes)
        return Frame(title, width, right=right, gap=0.34, **options)
    return Frame(title, width, keys=_short_keys(classes, vocabulary), key_columns=2, gap=0.3, **options)


def class_legend(axes: Axes, classes: tuple[str, ...], vocabulary: str, width: float) -> None:
    """The key at the right of the panels; in a column, `class_frame` has it below them."""
    if width > COLUMN:
        keys = [Patch(label=class_words(name, vocabulary), **class_fill(name)) for name in classes]
        axes.legend(
            handles=keys[::-1], loc="upper left", bbox_to_anchor=(1.0, 1.03), labelspacing=0.6, handlelength=1.5
        )


def draw_shares(axes: Axes, positions: list[int], rows: list[LayerRow], classes: tuple[str, ...]) -> None:
    """A stacked bar at each position: the shares of a row's neurons that have a class; none for a row without such neurons."""
    shown = [(position, row) for position, row in zip(positions, rows, strict=True) if row.classed]
    tops = np.zeros(len(shown))
    for name in classes if shown else ():
        bottoms = tops
        tops = bottoms + [row.counts[name] / row.classed for _, row in shown]
        draw_rectangles(axes, [position for position, _ in shown], 0.86, bottoms, tops, label=name, **class_fill(name))
    axes.set_ylim(0, 1)
    axes.set_ylabel("share of neurons")
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    if not shown:
        say_empty(axes, "no neuron has a class")


def class_fill(io_class: str) -> dict[str, Any]:
    """How a patch of this class looks."""
    typical = io_class.removeprefix("atypical_")
    if typical == io_class:
        return {"facecolor": COLOURS[typical], "edgecolor": "none"}
    return {"facecolor": COLOURS[typical], "edgecolor": "white", "hatch": "//////", "linewidth": 0}


def _short_keys(classes: tuple[str, ...], vocabulary: str) -> list[Artist]:
    """The typical classes, and what hatching means where there are atypical ones."""
    typical = [name for name in classes if not name.startswith("atypical_")]
    keys: list[Artist] = [Patch(label=class_words(name, vocabulary), **class_fill(name)) for name in typical]
    if len(typical) < len(classes):
        keys.append(
            Patch(label="hatched: atypical", facecolor="#9A9A9A", edgecolor="white", hatch="//////", linewidth=0)
        )
    return keys
