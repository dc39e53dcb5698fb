"""The class shares of every expert of a mixture of experts, and of shared experts beside them."""

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gated_ray.reports.class_names import CLASS_ORDER
from gated_ray.reports.layer_rows import LayerRow, layer_rows


@dataclass(frozen=True)
class ExpertShares:
    """One component's experts in the layers that have them."""

    layers: tuple[int, ...]
    shares: np.ndarray
    """(classes, layers, experts), classes as in `CLASS_ORDER`; NaN where a layer lacks the expert or it has no class at all."""


def expert_components(layers: pa.Table) -> list[str]:
    """The components that are several experts a layer (``expert``, ``vision_expert``, ``decoder_expert``), sorted."""
    return sorted(set(layers.filter(pc.is_valid(layers["expert"]))["component"].to_pylist()))


def expert_shares(layers: pa.Table, component: str) -> ExpertShares:
    """Per class, layer and expert, the share of the expert's neurons that have a class.

    Args:
        layers: rows of the layers table (schema `LAYERS`) of one model, revision and profile.
        component: one of `expert_components`.
    """
    mine = layers.select(["layer", "component", "expert", *CLASS_ORDER]).filter(pc.field("component") == component)
    numbers = mine["layer"].to_numpy()
    found = np.unique(numbers)
    experts = mine["expert"].to_numpy()
    counts = np.full((len(CLASS_ORDER), len(found), experts.max() + 1), np.nan)
    for index, name in enumerate(CLASS_ORDER):
        counts[index, np.searchsorted(found, numbers), experts] = mine[name].fill_null(0).to_numpy()
    classed = counts.sum(axis=0)
    with np.errstate(invalid="ignore"):
        return ExpertShares(tuple(found.tolist()), counts / classed)


def shared_rows(layers: pa.Table, component: str) -> list[LayerRow]:
    """The shared experts beside the experts of this component, layer by layer; none for a model without."""
    name = re.compile(rf"{component.removesuffix('expert')}shared_expert(_\d+)?")
    return [row for row in layer_rows(layers) if name.fullmatch(row.component)]
