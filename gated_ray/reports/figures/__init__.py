"""The figures, each a function from Arrow tables to a matplotlib Figure: of the store's, or of ``gated_ray.analyze(...)``."""

from gated_ray.reports.figures.bars import class_bars
from gated_ray.reports.figures.boxes import cosine_boxes, norm_boxes
from gated_ray.reports.figures.experts import expert_heatmap, shared_and_routed
from gated_ray.reports.figures.frequency import frequency_and_cosines, frequency_by_class
from gated_ray.reports.figures.medians import median_curves
from gated_ray.reports.figures.norms import cosines_and_norms
from gated_ray.reports.figures.scatter import cosine_scatter
from gated_ray.reports.figures.style import COLUMN, WIDTH, save_figure
from gated_ray.reports.figures.training import training_shares
from gated_ray.reports.thinning import drawn_neurons

__all__ = [
    "COLUMN",
    "WIDTH",
    "class_bars",
    "cosine_boxes",
    "cosine_scatter",
    "cosines_and_norms",
    "drawn_neurons",
    "expert_heatmap",
    "frequency_and_cosines",
    "frequency_by_class",
    "median_curves",
    "norm_boxes",
    "save_figure",
    "shared_and_routed",
    "training_shares",
]
