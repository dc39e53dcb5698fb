"""What was asked for and is not in the store, and why."""

import traceback
from dataclasses import dataclass

from gated_ray.cluster.units import internal_error
from gated_ray.errors import (
    AccessError,
    CheckpointError,
    GatedRayError,
    InputError,
    StoreError,
    TransientError,
    UnsupportedError,
)

_KINDS: dict[type[Exception], str] = {
    AccessError: "access",
    CheckpointError: "model",
    UnsupportedError: "model",
    InputError: "input",
    StoreError: "store",
    TransientError: "transient",
}


@dataclass(frozen=True)
class Failure:
    """Something asked for that is not in the store.

    Attributes:
        reference: the model, as the user wrote it.
        message: one line: what and why.
        traceback: for ``debug=true``.
        kind: as in `Receipt`.
    """

    reference: str
    message: str
    traceback: str = ""
    kind: str = ""


def kind_of(error: Exception) -> str:
    """Who can act on an error: see `Receipt`."""
    for family, kind in _KINDS.items():
        if isinstance(error, family):
            return kind
    return "transient" if isinstance(error, GatedRayError | OSError) else "bug"


def planning_failure(reference: str, error: Exception) -> Failure:
    """For a model that could not be planned; called where the error is handled."""
    message = str(error) if isinstance(error, GatedRayError) else internal_error(error)
    if not isinstance(error, GatedRayError) or reference not in message:
        message = f"{reference}: {message}"
    return Failure(reference, message, traceback.format_exc(), kind_of(error))
