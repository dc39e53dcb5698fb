"""The points of all panels of a figure as one picture.

For every artist that is rasterized, the PDF backend keeps a picture as large as the whole figure until the file is written: a panel
each for a hundred layers would be gigabytes.
"""

from typing import Any

import numpy as np
from matplotlib.artist import Artist, allow_rasterization
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.markers import MarkerStyle
from matplotlib.transforms import IdentityTransform


class PointLayer(Artist):
    """Lies below the panels, which it makes transparent; one for a figure."""

    def __init__(self, figure: Figure) -> None:
        super().__init__()
        self.panels: dict[Axes, PathCollection] = {}
        self.set_rasterized(True)
        self.set_zorder(-1)
        figure.add_artist(self)

    def add(
        self, axes: Axes, across: np.ndarray, up: np.ndarray, colours: np.ndarray, size: float, highest: float
    ) -> PathCollection:
        """The points of one panel.

        Args:
            axes: the panel.
            across, up: in its data coordinates.
            colours: numbers, 0 to `highest`.
            size: area of a point, in square points.
            highest: the number at the end of the colour scale.
        """
        marker = MarkerStyle("o")
        style: dict[str, Any] = {"linewidths": 0, "cmap": "viridis"}
        points = PathCollection(
            (marker.get_path().transformed(marker.get_transform()),),
            [size],
            offsets=np.column_stack([across, up]),
            offset_transform=axes.transData,
            array=colours,
            **style,
        )
        points.set_transform(IdentityTransform())
        points.set_clim(0, highest)
        points.set_clip_box(axes.bbox)
        points.set_figure(axes.figure)
        axes.patch.set_visible(False)
        self.panels[axes] = points
        return points

    @allow_rasterization  # type: ignore[untyped-decorator]
    def draw(self, renderer: RendererBase) -> None:
        """As matplotlib asks for it."""
        for points in self.panels.values():
            points.draw(renderer)
