"""Small multiples: a grid of equal square panels, one a layer, with a heading and a note, sized in inches."""

import math
import textwrap
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gated_ray.reports.figures.style import GREY, WIDTH, new_figure, shortened
from gated_ray.reports.layer_rows import LayerRow, component_words

_LEFT, _RIGHT, _HEAD, _TITLE, _GAP, _AXIS = 0.52, 0.1, 0.36, 0.16, 0.16, 0.36  # inches
_NARROWEST = 4.6  # inches, the width of a figure of few panels: the heading must fit
_LARGEST_SIDE = 2.6  # inches, of a panel where there are few
_MOST_COLUMNS = 8
_NOTE_LINE, _NOTE_LETTER, _TITLE_LETTER = 0.125, 0.044, 0.075  # inches
_COLOUR_BAR = (1.5, 0.07)  # inches


def layer_panels(rows: list[LayerRow], title: str, x_label: str, y_label: str, note: str) -> tuple[Figure, list[Axes]]:
    """A square panel for every row, titled by its layer; outer tick labels only. To be called inside `styled`.

    Returns:
        The figure, and its panels in the order of the rows.
    """
    columns = _columns(len(rows))
    lines = math.ceil(len(rows) / columns)
    side = min(_LARGEST_SIDE, (WIDTH - _LEFT - _RIGHT - (columns - 1) * _GAP) / columns)
    grid_width = columns * side + (columns - 1) * _GAP
    grid_height = lines * side + (lines - 1) * (_TITLE + _GAP)
    width = max(_NARROWEST, _LEFT + grid_width + _RIGHT)
    notes = textwrap.wrap(note, int((width - _LEFT - _RIGHT) / _NOTE_LETTER))
    height = _HEAD + _TITLE + grid_height + _AXIS + 0.08 + _NOTE_LINE * len(notes)
    figure = new_figure(width, height)

    def at(x: float, y: float) -> tuple[float, float]:
        """Inches from the upper left corner to figure fractions."""
        return x / width, 1 - y / height

    panels = []
    several = len({row.component for row in rows}) > 1
    for index, row in enumerate(rows):
        line, column = divmod(index, columns)
        corner = at(_LEFT + column * (side + _GAP), _HEAD + _TITLE + line * (side + _TITLE + _GAP) + side)
        axes = figure.add_axes((*corner, side / width, side / height))
        place = f"{row.layer} {component_words(row.component)}" if several else f"layer {row.layer}"
        axes.set_title(place, pad=2, fontsize=6.5 if several else 7)
        axes.tick_params(labelleft=column == 0, labelbottom=index + columns >= len(rows), pad=1.5)
        panels.append(axes)
    letters = int((width - _LEFT - _RIGHT - _COLOUR_BAR[0] - 0.8) / _TITLE_LETTER)
    name = figure.text(*at(_LEFT, 0.1), shortened(title, letters), va="top", fontweight="bold", fontsize=8)
    name.set_parse_math(False)
    figure.text(*at(_LEFT + grid_width / 2, _HEAD + _TITLE + grid_height + _AXIS), x_label, ha="center", va="bottom")
    figure.text(*at(0.04, _HEAD + _TITLE + grid_height / 2), y_label, ha="left", va="center", rotation=90)
    figure.text(*at(_LEFT, height - 0.04), "\n".join(notes), va="bottom", fontsize=6, color="#444444", linespacing=1.25)
    return figure, panels


def one_panel_each(rows: list[LayerRow]) -> str:
    """What a panel of these rows is of, for the note."""
    several = len({row.component for row in rows}) > 1
    return "One panel a layer and component" if several else "One panel a layer"


def heading_axes(figure: Figure) -> Axes:
    """Axes for a horizontal colour bar, at the right of the heading of a figure from `layer_panels`."""
    width, height = figure.get_size_inches()
    left, bottom = width - _RIGHT - _COLOUR_BAR[0], height - 0.1 - _COLOUR_BAR[1]
    return figure.add_axes((left / width, bottom / height, _COLOUR_BAR[0] / width, _COLOUR_BAR[1] / height))


def cosine_axes(axes: Axes, across: bool, up: bool) -> None:
    """-1 to 1 with thin dashed lines at the class threshold, across, up, or both."""
    ticks, labels = (-1, -0.5, 0, 0.5, 1), ("\N{MINUS SIGN}1", "", "0", "", "1")
    line: dict[str, Any] = {"color": GREY, "linewidth": 0.5, "linestyle": (0, (3, 2)), "zorder": 0.6}
    if across:
        axes.set(xlim=(-1, 1), xticks=ticks, xticklabels=labels)
        for threshold in (-0.5, 0.5):
            axes.axvline(threshold, **line)
    if up:
        axes.set(ylim=(-1, 1), yticks=ticks, yticklabels=labels)
        for threshold in (-0.5, 0.5):
            axes.axhline(threshold, **line)


def _columns(panels: int) -> int:
    """A grid somewhat wider than tall that leaves as few holes as possible."""
    narrowest = math.ceil(math.sqrt(panels))
    widest = math.ceil(1.4 * math.sqrt(panels))
    choices = range(min(narrowest, _MOST_COLUMNS), min(widest, panels, _MOST_COLUMNS) + 1)
    return min(choices, key=lambda columns: (-panels % columns, -columns))
