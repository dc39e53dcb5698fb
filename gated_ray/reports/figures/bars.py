"""Stacked bars: the share of every IO class in every layer."""

from typing import Any

import pyarrow as pa
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, PercentFormatter

from gated_ray.reports.class_names import class_words
from gated_ray.reports.figures.style import WIDTH, new_figure, shortened, styled
from gated_ray.reports.layer_rows import (
    LayerRow,
    classes_of,
    component_words,
    components_of,
    heading,
    layer_rows,
)

_PANEL = 2.35  # inches, the height of a panel
_LEFT, _TOP, _BOTTOM, _GAP = 0.55, 0.32, 0.42, 0.55  # inches around and between panels
_KEY, _LETTER = 0.5, 0.048  # inches: the legend's colour patch with its margins, and a letter
_TITLE_LETTERS = 50

COLOURS = {
    "enrichment": "#A50F15",
    "conditional_enrichment": "#EF7F5A",
    "proportional_change": "#F2D13C",
    "orthogonal_output": "#D9D9D9",
    "conditional_depletion": "#7FB3DC",
    "depletion": "#1F4E99",
}
"""Red hues enrich, blue hues deplete. Told apart by colour-blind readers and, by their lightness, in grey print."""


def class_bars(layers: pa.Table, title: str | None = None, vocabulary: str = "io") -> Figure:
    """One stacked bar a layer, one panel a component; atypical classes are hatched.

    Args:
        layers: rows of the layers table (schema `LAYERS`) of one model, revision and profile. Experts of a layer are added
            up. Shares are of the neurons that have a class; a layer without such neurons has no bar.
        title: the heading; ``org/name @ revision`` when None.
        vocabulary: ``io`` or ``rw`` (see `class_names`).

    Raises:
        InputError: the table is empty or holds more than one model.
    """
    rows = layer_rows(layers)
    components = components_of(rows)
    classes = classes_of(rows)
    words = [class_words(name, vocabulary) for name in classes]
    right = _KEY + _LETTER * max(len(text) for text in words)
    height = _TOP + _BOTTOM + len(components) * _PANEL + (len(components) - 1) * _GAP
    with styled():
        figure = new_figure(WIDTH, height)
        panels = figure.subplots(
            len(components),
            squeeze=False,
            gridspec_kw={
                "left": _LEFT / WIDTH,
                "right": 1 - right / WIDTH,
                "top": 1 - _TOP / height,
                "bottom": _BOTTOM / height,
                "hspace": _GAP / _PANEL,
            },
        )[:, 0]
        for axes, component in zip(panels, components, strict=True):
            _draw(axes, [row for row in rows if row.component == component], classes)
            axes.set_xlim(min(row.layer for row in rows) - 0.6, max(row.layer for row in rows) + 0.6)
            if len(components) > 1:
                axes.set_title(component_words(component), loc="right")
        panels[-1].set_xlabel("layer")
        panels[0].set_title(
            shortened(title or heading(layers), _TITLE_LETTERS), loc="left", fontweight="bold", parse_math=False
        )
        keys = [Patch(label=text, **_fill(name)) for name, text in zip(classes, words, strict=True)]
        panels[0].legend(
            handles=keys[::-1], loc="upper left", bbox_to_anchor=(1.0, 1.03), labelspacing=0.6, handlelength=1.5
        )
    return figure


def _draw(axes: Axes, rows: list[LayerRow], classes: tuple[str, ...]) -> None:
    shown = [row for row in rows if row.classed]
    bottoms = [0.0] * len(shown)
    for name in classes:
        shares = [row.counts[name] / row.classed for row in shown]
        axes.bar([row.layer for row in shown], shares, bottom=bottoms, width=0.86, label=name, **_fill(name))
        bottoms = [bottom + share for bottom, share in zip(bottoms, shares, strict=True)]
    axes.set_ylim(0, 1)
    axes.set_ylabel("share of neurons")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=14, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1))


def _fill(io_class: str) -> dict[str, Any]:
    typical = io_class.removeprefix("atypical_")
    if typical == io_class:
        return {"facecolor": COLOURS[typical], "edgecolor": "none"}
    return {"facecolor": COLOURS[typical], "edgecolor": "white", "hatch": "//////", "linewidth": 0}
