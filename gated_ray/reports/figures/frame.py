"""Panels in lines, sized in inches, and what surrounds them: a heading, what the axes are, a key, a note."""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gated_ray.reports.figures.style import COLUMN, NOTE_COLOUR, new_figure, shortened

_HEAD, _BAR_HEAD, _BOTTOM = 0.34, 0.2, 0.04  # inches
_EDGE, _TEXT_LEFT, _TO_LABEL = (
    0.1,
    0.55,
    0.16,
)  # inches: from the edge to texts, in a column and on a page, and to the y axis's label
_KEY_LINE, _NOTE_LINE, _NOTE_LETTER, _TITLE_LETTER = 0.128, 0.125, 0.044, 0.075  # inches
_BAR = (1.1, 0.07)  # inches: a colour bar
_BAR_LABEL = 0.6  # inches: what it is, left of it


@dataclass(frozen=True)
class Frame:
    """What surrounds the panels of a figure; lengths in inches."""

    title: str
    width: float
    """Of the figure."""
    x_label: str = ""
    """Below all panels."""
    y_label: str = ""
    """Left of all panels; panels may have labels of their own instead."""
    note: str = ""
    keys: Sequence[Artist] = field(default=())
    """What is explained below the panels, in lines of `key_columns`."""
    key_columns: int = 1
    columns: int = 1
    left: float = 0.55
    """Between the figure's edge and the panels; `right` likewise."""
    right: float = 0.12
    gap: float = 0.14
    """Between lines of panels, less `titles`."""
    column_gap: float = 0.14
    titles: float = 0.0
    """Above every line of panels."""
    bar: bool = False
    """Whether there must be room for `heading_bar`."""
    axis: float = 0.36
    """Below the panels, for tick labels and `x_label`."""
    all_ticks: bool = False
    """Whether every panel has its tick labels up its y axis, not just those at the left."""

    @property
    def panel_width(self) -> float:
        return (self.width - self.left - self.right - (self.columns - 1) * self.column_gap) / self.columns

    @property
    def _is_column(self) -> bool:
        return self.width <= COLUMN

    @property
    def _text_left(self) -> float:
        return _EDGE if self._is_column else min(self.left, _TEXT_LEFT)

    def stacked(self, heights: Sequence[float]) -> tuple[Figure, list[Axes]]:
        """A panel of each of these heights, from above. To be called inside `styled`."""
        return self.lines(heights, len(heights))

    def lines(self, heights: Sequence[float], count: int) -> tuple[Figure, list[Axes]]:
        """So many panels in lines of these heights, line by line. To be called inside `styled`."""
        notes = textwrap.wrap(self.note, int((self.width - self._text_left - _EDGE) / _NOTE_LETTER))
        key_lines = math.ceil(len(self.keys) / self.key_columns)
        noted = _BOTTOM + (_NOTE_LINE * len(notes) + 0.04 if notes else 0)
        below = self.axis + (_KEY_LINE * key_lines + 0.06 if key_lines else 0) + noted
        head = _HEAD + (_BAR_HEAD if self.bar and self._is_column else 0)
        panels_height = sum(heights) + len(heights) * self.titles + (len(heights) - 1) * self.gap
        height = head + panels_height + below
        figure = new_figure(self.width, height)
        panels = self._panels(figure, heights, count, head)
        self._heading(figure)
        middle = (self.left + (self.width - self.left - self.right) / 2) / self.width
        figure.text(middle, (below - self.axis) / height + 0.02 / height, self.x_label, ha="center", va="bottom")
        up = 1 - (head + panels_height / 2) / height
        figure.text(0.04 / self.width, up, self.y_label, rotation=90, ha="left", va="center")
        self._key(figure, noted / height)
        place = self._text_left / self.width, _BOTTOM / height
        figure.text(*place, "\n".join(notes), va="bottom", fontsize=6, color=NOTE_COLOUR, linespacing=1.25)
        return figure, panels

    def heading_bar(self, figure: Figure, label: str) -> Axes:
        """Axes for a horizontal colour bar at the right of the heading, or below it in a column."""
        height = figure.get_figheight()
        bottom = 0.1 + _BAR[1] + (_BAR_HEAD if self._is_column else 0)
        corner = (self.width - self.right - _BAR[0]) / self.width, 1 - bottom / height
        bar = figure.add_axes((*corner, _BAR[0] / self.width, _BAR[1] / height))
        bar.set_ylabel(label, rotation=0, ha="right", va="center", labelpad=4)
        bar.tick_params(pad=1.5)
        return bar

    def _panels(self, figure: Figure, heights: Sequence[float], count: int, head: float) -> list[Axes]:
        panels: list[Axes] = []
        top = head
        width, height = self.width, figure.get_figheight()
        for line, tall in enumerate(heights):
            top += self.titles + tall
            for column in range(min(self.columns, count - line * self.columns)):
                corner = (self.left + column * (self.panel_width + self.column_gap)) / width, 1 - top / height
                axes = figure.add_axes((*corner, self.panel_width / width, tall / height))
                lowest = len(panels) + self.columns >= count
                axes.tick_params(labelleft=self.all_ticks or column == 0, labelbottom=lowest, pad=2)
                axes.yaxis.set_label_coords((_TO_LABEL - self.left) / self.panel_width, 0.5)
                panels.append(axes)
            top += self.gap
        return panels

    def _heading(self, figure: Figure) -> None:
        room = self.width - self._text_left - _EDGE
        if self.bar and not self._is_column:
            room -= _BAR[0] + _BAR_LABEL
        place = self._text_left / self.width, 1 - 0.08 / figure.get_figheight()
        name = figure.text(*place, shortened(self.title, int(room / _TITLE_LETTER)), va="top", fontweight="bold")
        name.set(parse_math=False, fontsize=8)

    def _key(self, figure: Figure, bottom: float) -> None:
        if self.keys:
            legend = figure.legend(
                handles=list(self.keys),
                loc="lower left",
                bbox_to_anchor=(self._text_left / self.width, bottom),
                ncols=self.key_columns,
                borderaxespad=0,
                borderpad=0,
                fontsize=6.5,
                labelspacing=0.4,
                handlelength=1.4,
                columnspacing=1.2,
            )
            for text in legend.get_texts():
                text.set_parse_math(False)  # names of models hold what they like


def say_empty(axes: Axes, text: str) -> None:
    """Say in an empty panel why it is empty."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=NOTE_COLOUR, zorder=9).set_bbox(
        {"facecolor": "white", "edgecolor": "none", "pad": 2}
    )
