"""The figures, each a function from Arrow tables to a matplotlib Figure: of the store's, or of ``gated_ray.analyze(...)``."""

from gated_ray.reports.figures.bars import class_bars
from gated_ray.reports.figures.medians import median_curves
from gated_ray.reports.figures.scatter import cosine_scatter, drawn_neurons
from gated_ray.reports.figures.style import save_figure

__all__ = ["class_bars", "cosine_scatter", "drawn_neurons", "median_curves", "save_figure"]
