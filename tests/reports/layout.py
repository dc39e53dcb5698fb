"""What is readable in a figure: every text inside the canvas, none over another, none over a panel that is not its own."""

import itertools
from collections.abc import Iterator

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

_TOLERANCE = 0.6  # pixels of 1/150 inch


def assert_tidy(figure: Figure) -> None:
    """Lay the figure out and look at its texts."""
    figure.draw_without_rendering()
    placed = [(text, box) for text, box in _boxes(figure) if box.width > 0 and box.height > 0]
    canvas = figure.bbox.padded(_TOLERANCE)
    outside = [text.get_text() for text, box in placed if not _within(box, canvas)]
    assert not outside, f"outside the canvas: {outside}"
    smaller = [(text.get_text(), box.padded(-_TOLERANCE)) for text, box in placed]
    overlapping = [(one, other) for (one, a), (other, b) in itertools.combinations(smaller, 2) if a.overlaps(b)]
    assert not overlapping, f"texts over each other: {overlapping[:5]}"
    own = {id(text) for axes in figure.axes for text in axes.texts}
    panels = [axes.get_window_extent().padded(-_TOLERANCE) for axes in figure.axes]
    covering = [
        text.get_text() for text, box in placed if id(text) not in own and any(box.overlaps(panel) for panel in panels)
    ]
    assert not covering, f"over a panel: {covering[:5]}"


def smallest_text(figure: Figure) -> float:
    """Points."""
    return min(text.get_fontsize() for text, _ in _boxes(figure))


def texts(figure: Figure) -> str:
    """All that is written in a figure, without line breaks."""
    return " ".join(text.get_text() for text, _ in _boxes(figure)).replace("\n", " ")


def _boxes(figure: Figure) -> Iterator[tuple[Text, Bbox]]:
    found = [*figure.texts]
    for legend in figure.legends:
        found += legend.get_texts()
    for axes in figure.axes:
        found += [axes.title, axes._left_title, axes._right_title, axes.xaxis.label, axes.yaxis.label, *axes.texts]
        if legend := axes.get_legend():
            found += legend.get_texts()
        found += _tick_labels(axes)
    for text in found:
        if text.get_text().strip() and text.get_visible():
            yield text, text.get_window_extent()


def _tick_labels(axes: Axes) -> list[Text]:
    """Those that are drawn."""
    return [
        tick.label1 for axis in (axes.xaxis, axes.yaxis) for tick in axis._update_ticks() if tick.label1.get_visible()
    ]


def _within(box: Bbox, canvas: Bbox) -> bool:
    return canvas.x0 <= box.x0 and box.x1 <= canvas.x1 and canvas.y0 <= box.y0 and box.y1 <= canvas.y1
