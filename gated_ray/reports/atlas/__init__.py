"""The atlas: the dataset as a static site, from all models down to one neuron."""

from gated_ray.reports.atlas.atlas import Atlas, write_atlas

__all__ = ["Atlas", "write_atlas"]
