"""Many upright rectangles as one artist: a bar each for hundreds of layers and classes would take seconds to draw."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection


def draw_rectangles(
    axes: Axes,
    middles: Sequence[float] | np.ndarray,
    width: float,
    low: Sequence[float] | np.ndarray,
    high: Sequence[float] | np.ndarray,
    **style: Any,
) -> PolyCollection:
    """Rectangles around these middles, each from its `low` to its `high`, all of one width and style."""
    x, bottom, top = (np.asarray(values, dtype=np.float64) for values in (middles, low, high))
    left, right = x - width / 2, x + width / 2
    corners = np.stack([[left, bottom], [left, top], [right, top], [right, bottom]]).transpose(2, 0, 1)
    collection = PolyCollection(list(corners), **style)
    axes.add_collection(collection)
    axes.autoscale_view()
    return collection
