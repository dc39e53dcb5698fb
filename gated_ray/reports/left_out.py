"""What a report could not show, and why, in lines for its reader."""

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa

from gated_ray.reports.layer_rows import LayerRow

_MOST_NAMES = 3


@dataclass(frozen=True)
class ModelFacts:
    """What decides which files a model gets."""

    title: str
    gated: bool
    classed: bool
    """Whether any neuron has a class."""
    mismatched: bool
    """Whether its profile computed mismatched regions."""
    experts: bool
    activations: bool
    """Whether the store has activation statistics of it."""
    has_layers: bool
    """Whether it has any of the layers that were asked for (True where none were)."""


def model_facts(title: str, layers: pa.Table, rows: list[LayerRow], activations: bool, asked: list[int]) -> ModelFacts:
    """The facts of one model.

    Args:
        title: as its figures are headed.
        layers: rows of its layers table.
        rows: the same, summed up.
        activations: whether the store has activation statistics of it.
        asked: the layers that were asked for.
    """
    return ModelFacts(
        title,
        gated=any(row.gated for row in rows),
        classed=any(row.classed for row in rows),
        mismatched=layers["mismatched_in_out_low"].null_count < layers.num_rows,
        experts=layers["expert"].null_count < layers.num_rows,
        activations=activations,
        has_layers=not asked or bool({row.layer for row in rows} & set(asked)),
    )


def left_out(facts: list[ModelFacts], several_revisions: bool) -> list[str]:
    """One line for everything that some or all models lack.

    Args:
        facts: of the models that were reported on.
        several_revisions: whether some model was there at several revisions.
    """
    gated = [each for each in facts if each.gated]
    lines = [
        _line(facts, lambda each: each.classed, "no neuron has a class, figures are empty"),
        _line(facts, lambda each: each.mismatched, "no mismatched randomness regions, the profile computed none"),
        _line(facts, lambda each: each.has_layers, "none of the layers asked for, others are shown"),
        _line(gated, lambda each: each.activations, "no activation statistics, so no frequency table and figures"),
    ]
    if not any(each.experts for each in facts):
        lines.append("no mixture of experts, so no figures of experts")
    if not several_revisions:
        lines.append("no model at several revisions, so no figure of its training")
    return [line for line in lines if line]


def _line(could: list[ModelFacts], has: Callable[[ModelFacts], bool], what: str) -> str:
    """What is lacking, with the names of the models that lack it unless all that could have it do; nothing where none does."""
    names = [each.title for each in could if not has(each)]
    if not names or len(names) == len(could):
        return what if names else ""
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"{what}: {', '.join(names[:_MOST_NAMES])}{more}"
