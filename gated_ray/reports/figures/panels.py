"""Small multiples: a grid of equal square panels, one a layer, with a heading and a note, sized in inches."""

import math
import textwrap
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gated_ray.reports.figures.style import COLUMN, NOTE_COLOUR, TALLEST, WIDTH, new_figure, shortened
from gated_ray.reports.layer_rows import LayerRow, component_words, components_of

_LEFT, _RIGHT, _HEAD, _TITLE, _GAP, _AXIS = 0.52, 0.1, 0.36, 0.16, 0.16, 0.36  # inches
_SECOND_HEAD, _COMPONENT = (
    0.24,
    0.24,
)  # inches: a colour bar's own line in a column; the words above a component's panels
_LARGEST_SIDE = 2.6  # inches, of a panel where there are few
_SMALL_SIDE = 0.46  # inches, of panels in which there is no room for "layer 12"
_MOST_COLUMNS, _CROWDED_COLUMNS = 8, 16  # the second where a page would not hold the first
_NOTE_LINE, _NOTE_LETTER, _TITLE_LETTER = 0.125, 0.044, 0.075  # inches
_COLOUR_BAR = (1.5, 0.07)  # inches


@dataclass(frozen=True)
class _Grid:
    columns: int
    side: float
    gap: float
    groups: tuple[tuple[LayerRow, ...], ...]
    width: float
    """Of the panels; the figure may be wider."""
    height: float

    @property
    def step(self) -> float:
        """From the top of one line of panels to that of the next."""
        return self.side + _TITLE + self.gap

    @property
    def group_head(self) -> float:
        return _COMPONENT if len(self.groups) > 1 else 0.0


def layer_panels(
    rows: list[LayerRow], title: str, x_label: str, y_label: str, note: str, width: float = WIDTH
) -> tuple[Figure, list[Axes]]:
    """A square panel for every row, titled by its layer; outer tick labels only. To be called inside `styled`.

    The panels of each component begin a new line, below the component's name where there are several.

    Returns:
        The figure, and its panels in the order of the rows.
    """
    grid = _grid(rows, width)
    left = _LEFT + max(0.0, (width - _LEFT - _RIGHT - grid.width) / 2)
    head = _HEAD if width > COLUMN else _HEAD + _SECOND_HEAD
    if grid.side < _SMALL_SIDE:
        note = f"The number above a panel is its layer. {note}"
    notes = textwrap.wrap(note, int((width - _LEFT - _RIGHT) / _NOTE_LETTER))
    height = head + grid.height + _AXIS + 0.08 + _NOTE_LINE * len(notes)
    figure = new_figure(width, height)

    def at(x: float, y: float) -> tuple[float, float]:
        """Inches from the upper left corner to figure fractions."""
        return x / width, 1 - y / height

    panels = {}
    top = head
    for group in grid.groups:
        if grid.group_head:
            words = component_words(group[0].component)
            place = at(left, top + grid.group_head)
            figure.text(*place, words, va="bottom", fontsize=7, color=NOTE_COLOUR, fontweight="bold")
        top += grid.group_head + _TITLE
        for index, row in enumerate(group):
            line, column = divmod(index, grid.columns)
            corner = at(left + column * (grid.side + grid.gap), top + line * grid.step + grid.side)
            axes = figure.add_axes((*corner, grid.side / width, grid.side / height))
            axes.set_title(f"layer {row.layer}" if grid.side >= _SMALL_SIDE else str(row.layer), pad=2, fontsize=7)
            lowest = group is grid.groups[-1] and index + grid.columns >= len(group)
            axes.tick_params(
                labelleft=column == 0, labelbottom=lowest, pad=1.5, labelsize=6.5 if grid.side >= _SMALL_SIDE else 6
            )
            panels[row.layer, row.component] = axes
        top += math.ceil(len(group) / grid.columns) * grid.step - _TITLE
    letters = int((width - _LEFT - _RIGHT - (_COLOUR_BAR[0] + 0.8) * (width > COLUMN)) / _TITLE_LETTER)
    name = figure.text(*at(_LEFT, 0.1), shortened(title, letters), va="top", fontweight="bold", fontsize=8)
    name.set_parse_math(False)
    bottom = head + grid.height
    figure.text(*at(left + grid.width / 2, bottom + _AXIS), x_label, ha="center", va="bottom")
    figure.text(*at(0.04, head + grid.height / 2), y_label, ha="left", va="center", rotation=90)
    figure.text(
        *at(_LEFT, height - 0.04), "\n".join(notes), va="bottom", fontsize=6, color=NOTE_COLOUR, linespacing=1.25
    )
    return figure, [panels[row.layer, row.component] for row in rows]


def one_panel_each(rows: list[LayerRow]) -> str:
    """What a panel of these rows is of, for the note."""
    several = len({row.component for row in rows}) > 1
    return "One panel a layer and component" if several else "One panel a layer"


def heading_axes(figure: Figure) -> Axes:
    """Axes for a horizontal colour bar, at the right of the heading of a figure from `layer_panels`, or below it in a column."""
    width, height = figure.get_size_inches()
    below = _SECOND_HEAD if width <= COLUMN else 0.0
    left, bottom = width - _RIGHT - _COLOUR_BAR[0], height - 0.1 - below - _COLOUR_BAR[1]
    return figure.add_axes((left / width, bottom / height, _COLOUR_BAR[0] / width, _COLOUR_BAR[1] / height))


def _grid(rows: list[LayerRow], width: float) -> _Grid:
    """Somewhat wider than tall with as few holes as possible; of more columns where a page would not hold it."""
    groups = tuple(tuple(row for row in rows if row.component == name) for name in components_of(rows))
    longest = max(len(group) for group in groups)
    grid = _with_columns(groups, _columns(longest if len(groups) == 1 else len(rows), width), width)
    while grid.height > TALLEST - 1 and grid.columns < min(_CROWDED_COLUMNS, longest):
        grid = _with_columns(groups, grid.columns + 1, width)
    return grid


def _with_columns(groups: tuple[tuple[LayerRow, ...], ...], columns: int, width: float) -> _Grid:
    gap = _GAP if columns <= _MOST_COLUMNS else 0.09
    side = min(_LARGEST_SIDE, (width - _LEFT - _RIGHT - (columns - 1) * gap) / columns)
    lines = sum(math.ceil(len(group) / columns) for group in groups)
    heads = len(groups) * _COMPONENT if len(groups) > 1 else 0.0
    return _Grid(
        columns,
        side,
        gap,
        groups,
        width=columns * side + (columns - 1) * gap,
        height=heads + lines * (side + _TITLE) + (lines - 1) * gap,
    )


def _columns(panels: int, width: float) -> int:
    most = _MOST_COLUMNS if width > COLUMN else _MOST_COLUMNS // 2
    narrowest = min(math.ceil(math.sqrt(panels)), most)
    widest = min(math.ceil(1.4 * math.sqrt(panels)), panels, most)
    return min(range(narrowest, widest + 1), key=lambda columns: (-panels % columns, -columns))
