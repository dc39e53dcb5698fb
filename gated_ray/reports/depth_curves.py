"""The median of cos(w_in, w_out) against relative depth, one curve a model: the numbers of the paper's cross-model figure."""

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gated_ray.errors import InputError
from gated_ray.reports.layer_rows import short_revision, stack_of

CURVE_COLUMNS = [
    *("model_name", "model_revision", "profile_name", "component", "layer", "gated", "neurons"),
    "cos_in_out_median",
]
"""The columns of the layers table that curves are made of."""


@dataclass(frozen=True)
class DepthCurve:
    """One model's curve (one a stack, for a model with an encoder and a decoder)."""

    label: str
    gated: bool
    depths: tuple[float, ...]
    """Layer over last layer of the stack: 0 to 1, and 0 where there is one layer only."""
    medians: tuple[float, ...]
    """Median of cos(w_in, w_out) over the layer's neurons; NaN where none has a cosine."""
    averaged: bool = False
    """Whether layers have several medians, of which `medians` has the mean, weighted by neurons."""


def depth_curves(layers: pa.Table, models: pa.Table) -> list[DepthCurve]:
    """The curves of all models of a layers table, sorted by label.

    A layer of one MLP, or of experts alone, has its exact median. A layer of several (a shared expert beside experts, say)
    has the mean of theirs, weighted by neurons.

    Args:
        layers: the `CURVE_COLUMNS` of schema `LAYERS`, or what `curve_rows` makes, any number of models under one profile.
        models: columns ``model_name``, ``model_revision`` and ``requested_revision`` of schema `MODELS`.

    Raises:
        InputError: no layers, or layers of several profiles.
    """
    profiles = sorted(set(layers["profile_name"].to_pylist()))
    if len(profiles) != 1:
        raise InputError(
            f"curves are of one profile, but the layers table holds {', '.join(profiles) or 'no rows'}; filter it"
        )
    blocks: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in layers.select(CURVE_COLUMNS).to_pylist():
        blocks[row["model_name"], row["model_revision"], stack_of(row["component"])].append(row)
    labels = model_labels(list(dict.fromkeys(key[:2] for key in blocks)), models)
    curves = [
        _curve(f"{labels[model, revision]} {stack}".strip(), rows) for (model, revision, stack), rows in blocks.items()
    ]
    return sorted(curves, key=lambda curve: curve.label)


def curve_rows(layers: pa.Table, expert_layers: pa.Table) -> pa.Table:
    """The `CURVE_COLUMNS` of some models, with one row for all experts of a layer: the median over all their neurons.

    Args:
        layers: schema `LAYERS`.
        expert_layers: schema `EXPERT_LAYERS`, of the same models.
    """
    others = layers.filter(pc.is_null(layers["expert"]))
    return pa.concat_tables([others.select(CURVE_COLUMNS), expert_layers.select(CURVE_COLUMNS)])


def model_labels(keys: list[tuple[str, str]], models: pa.Table) -> dict[tuple[str, str], str]:
    """(model, revision) -> the model's name, and where several keys have one name, ``@`` and what tells them apart.

    That is the revision as it was asked for (a branch, a step) where it is one key's alone, else the short revision.
    """
    columns = ["model_name", "model_revision", "requested_revision"]
    rows = {(row["model_name"], row["model_revision"]): row for row in models.select(columns).to_pylist()}
    asked = {key: rows[key]["requested_revision"] if key in rows else None for key in keys}
    uses = Counter(name for name, _ in keys)
    uses_asked = Counter((key[0], asked[key]) for key in keys)

    def label(key: tuple[str, str]) -> str:
        name, revision = key
        if uses[name] == 1:
            return name
        return (
            f"{name} @ {asked[key] if asked[key] and uses_asked[name, asked[key]] == 1 else short_revision(revision)}"
        )

    return {key: label(key) for key in keys}


def _curve(label: str, blocks: list[dict[str, Any]]) -> DepthCurve:
    by_layer = defaultdict(list)
    for block in blocks:
        by_layer[block["layer"]].append(block)
    numbers = sorted(by_layer)
    depths = tuple(number / max(numbers[-1], 1) for number in numbers)
    medians = tuple(_median(by_layer[number]) for number in numbers)
    return DepthCurve(
        label if any(not math.isnan(median) for median in medians) else f"{label} (no cosines)",
        any(block["gated"] for block in blocks),
        depths,
        medians,
        averaged=len(blocks) > len(by_layer),
    )


def _median(blocks: list[dict[str, Any]]) -> float:
    known = [
        (block["cos_in_out_median"], block["neurons"]) for block in blocks if block["cos_in_out_median"] is not None
    ]
    if not known:
        return float("nan")
    medians, weights = zip(*known, strict=True)
    return float(np.average(medians, weights=weights))
