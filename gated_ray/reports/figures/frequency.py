"""How often the gate is positive: by IO class, and against the cosines."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from gated_ray.reports.class_names import class_words
from gated_ray.reports.figures.bars import class_fill
from gated_ray.reports.figures.crossing import crossing
from gated_ray.reports.figures.frame import Frame, say_empty
from gated_ray.reports.figures.style import COLUMN, GREY, WIDTH, styled
from gated_ray.reports.frequencies import FREQUENCY, POINTS, LayerFrequencies
from gated_ray.reports.frequency_table import FrequencyTable
from gated_ray.vocabulary import COSINES

_LINE = 0.235  # inches, the height of a class's line
_LETTER, _COLUMN_LETTER, _COUNT = 0.055, 0.048, 0.62  # inches: letters of a class's name, and the number of its neurons


def frequency_by_class(table: FrequencyTable, title: str, width: float = WIDTH) -> Figure:
    """A box for every class: the middle half and the middle 90 % of its neurons, the mean, and the mean of those drawn beside them.

    Args:
        table: of one model over one dataset.
        title: the heading.
        width: of the figure, inches.
    """
    words = [class_words(row.io_class, table.vocabulary) for row in table.rows]
    letter = _LETTER if width > COLUMN else _COLUMN_LETTER
    keys = [
        Line2D([], [], linestyle="", marker="D", markersize=3.2, color="black", label="mean of the class"),
        _open("o", "mean of as many others of the same layers"),
    ]
    if table.published:
        keys += [_open("D", "published mean"), Line2D([], [], **_CROSS, label="published, others")]
    note = f"Over {table.dataset}. Boxes: the middle half of a class's neurons; line: the middle 90 %; bar: the median."
    with styled():
        frame = Frame(
            title,
            width,
            "share of tokens with gate > 0",
            note=note,
            keys=keys,
            key_columns=4 if width > COLUMN else 1,
            left=0.12 + letter * max(len(text) for text in words),
            right=_COUNT,
        )
        figure, (axes,) = frame.stacked([_LINE * len(words)])
        for line, row in enumerate(table.rows):
            _draw(axes, line, table, row.io_class)
            axes.text(
                1.02,
                line,
                f"n = {len(row.frequencies):,}",
                transform=axes.get_yaxis_transform(),
                va="center",
                fontsize=6,
            )
        axes.set(xlim=(0, 1), ylim=(len(words) - 0.4, -0.6))
        axes.set_yticks(range(len(words)), words, fontsize=6.5 if width > COLUMN else 6)
        axes.tick_params(axis="y", length=0, labelleft=True)
        axes.xaxis.set_major_formatter(PercentFormatter(xmax=1))
        axes.grid(axis="x", color=GREY, alpha=0.25, linewidth=0.4)
        axes.set_axisbelow(True)
        if not any(len(row.frequencies) for row in table.rows):
            say_empty(axes, "no neuron has both a class and tokens")
    return figure


def frequency_and_cosines(layers: Sequence[LayerFrequencies], dataset: str, title: str, width: float = WIDTH) -> Figure:
    """A panel for every cosine (across): how often the gate is positive (up), one point a neuron, coloured by layer.

    Args:
        layers: of one model over one dataset, as `layer_frequencies` makes them.
        dataset: the dataset's name.
        title: the heading.
        width: of the figure, inches.
    """
    points = pa.concat_tables(each.points for each in layers)
    note = f"Over {dataset}. One point a neuron, at most {POINTS:,} of a layer, drawn at random. Dashed: the class threshold ±0.5."
    with styled():
        return crossing(points, COSINES, {FREQUENCY: "gate > 0 (share)"}, title, note, lengths=False, width=width)


_CROSS: dict[str, Any] = {"linestyle": "", "marker": "x", "markersize": 3.2, "markeredgewidth": 0.8, "color": "black"}


def _open(marker: str, label: str) -> Line2D:
    style: dict[str, Any] = {"markerfacecolor": "white", "markeredgecolor": "black", "markeredgewidth": 0.8}
    return Line2D([], [], linestyle="", marker=marker, markersize=3.4, label=label, **style)


def _draw(axes: Axes, line: int, table: FrequencyTable, io_class: str) -> None:
    row = table.rows[line]
    if len(row.frequencies):
        low, first, middle, third, high = np.quantile(row.frequencies, (0.05, 0.25, 0.5, 0.75, 0.95))
        axes.plot((low, high), (line, line), color="#5A5A5A", linewidth=0.7, zorder=1.5)
        axes.barh(line, third - first, 0.62, first, zorder=2, **class_fill(io_class))
        axes.plot((middle, middle), (line - 0.31, line + 0.31), color="black", linewidth=0.8, zorder=2.5)
        axes.plot(float(row.frequencies.mean()), line, marker="D", markersize=3.2, color="black", zorder=4)
    if row.drawn_mean is not None:
        _point(axes, row.drawn_mean, line, "o")
    if known := table.published.get(io_class):
        _point(axes, known.of_class, line, "D")
        axes.plot(known.of_random, line, zorder=4, **_CROSS)


def _point(axes: Axes, value: float, line: int, marker: str) -> None:
    shown = _open(marker, "")
    shown.set(xdata=[value], ydata=[line], zorder=3.5)
    axes.add_line(shown)
