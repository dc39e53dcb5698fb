"""What a sweep says about how it understood the models, where that is not simply by their rules."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from gated_ray.analysis import reading_note


def model_note(row: Mapping[str, Any]) -> str | None:
    """One line on a model, from the columns of schema `MODELS`; None where there is nothing to say."""
    return reading_note(row["rule"], row["resolved_by"], row["caveat"])


def unused_rules(
    extra: str | None, own: Collection[str], rows: Sequence[Mapping[str, Any]], failures: int
) -> str | None:
    """One line where a user's file of rules says nothing about any model asked for: a misspelt type must not pass unseen.

    Args:
        extra: the file.
        own: the model types that it describes.
        rows: of the models that could be read, with columns of schema `MODELS`.
        failures: models that could not.
    """
    if not own or any(row["resolved_by"] == "extra" for row in rows):
        return None
    which = "the models that could be read" if failures else "these models"
    types = f"{', '.join(sorted(own))}, the {'type' if len(own) == 1 else 'types'} that it describes"
    return f"architectures.extra={extra}: none of {which} is of {types}"
