"""The revisions of one model in the order of its training."""

import re
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from gated_ray.reports.layer_rows import short_revision

_NUMBER = r"[-_]?(\d+)"
_STEP = re.compile(rf"(?:step|checkpoint|ckpt|iter(?:ation)?){_NUMBER}", re.IGNORECASE)
_STAGE = re.compile(rf"stage{_NUMBER}", re.IGNORECASE)


@dataclass(frozen=True)
class Revision:
    """One revision of a model."""

    revision: str
    """As in the store."""
    label: str
    """As it was asked for (a branch, a step), else the short revision."""
    step: tuple[int, int] | None
    """Stage (0 where none is named) and step that `label` names; None where it names no step."""


def ordered_revisions(models: pa.Table, name: str) -> tuple[list[Revision], str]:
    """The revisions of a model, those that name a step first, by step; and a sentence that says in what order they are.

    Args:
        models: columns ``model_name``, ``model_revision`` and ``requested_revision`` of schema `MODELS`.
        name: the model.
    """
    mine = models.filter(pc.equal(models["model_name"], name))
    found = sorted(
        (_revision(row["model_revision"], row["requested_revision"]) for row in mine.to_pylist()),
        key=lambda each: (each.step is None, each.step or (0, 0), each.label, each.revision),
    )
    unnumbered = [each.label for each in found if each.step is None]
    if not unnumbered:
        return found, "In the order of the steps that revisions are named by."
    if len(unnumbered) == len(found):
        return found, "In the order of their names: no revision is named by its step."
    return (
        found,
        f"In the order of the steps that revisions are named by; last, by name, those without: {_few(unnumbered)}.",
    )


def step_of(label: str) -> tuple[int, int] | None:
    """The (stage, step) that a revision's name holds: ``step1000``, ``checkpoint-500``, ``stage2-step300-tokens4B``, ``1000``.

    The stage is 0 where none is named; None where no step is.
    """
    step, stage = _STEP.search(label), _STAGE.search(label)
    if step:
        return (int(stage[1]) if stage else 0, int(step[1]))
    return (0, int(label)) if label.isascii() and label.isdigit() else None


def _revision(revision: str, requested: str | None) -> Revision:
    named = requested if requested and requested != revision else None
    return Revision(revision, named or short_revision(revision), step_of(named) if named else None)


def _few(labels: list[str], most: int = 4) -> str:
    return ", ".join([*labels[:most], *(["..."] if len(labels) > most else [])])
