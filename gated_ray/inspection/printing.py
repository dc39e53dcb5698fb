"""Inspections printed: a few lines a model, or one JSON object a model."""

import json
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from shutil import get_terminal_size

from gated_ray.architectures.rules import load_rules
from gated_ray.cluster.units import internal_error
from gated_ray.errors import GatedRayError, InputError
from gated_ray.inspection.layout import lines_of
from gated_ray.inspection.models import Inspection, inspect_model
from gated_ray.settings import InspectSettings

_AT_ONCE = 4
"""Checkpoints: few, because one can have a hundred thousand tensors."""
_NARROWEST = 40


@dataclass(frozen=True)
class Unread:
    """A model that cannot be read: one line that says why, and a traceback for ``debug=true``."""

    reference: str
    message: str
    traceback: str


def inspect_models(settings: InspectSettings) -> bool:
    """Print what is understood of every model asked for; whether all of them can be read.

    Raises:
        InputError: no models asked for, or no file of rules.
    """
    if not settings.models.refs:
        raise InputError("no models asked for: set 'models.refs=[org/name]' or models=demo, paper or paper_plain")
    load_rules(settings.architectures.extra)  # a broken file is one error, not one a model
    width = max(get_terminal_size().columns, _NARROWEST) if sys.stdout.isatty() else None
    everything_read = True
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for result in pool.map(lambda ref: _attempt(ref, settings), dict.fromkeys(settings.models.refs)):
            everything_read &= isinstance(result, Inspection)
            if settings.format == "json":
                print(json.dumps(_as_json(result)), flush=True)
            elif isinstance(result, Inspection):
                print("\n".join(lines_of(result, width)), flush=True)
            if isinstance(result, Unread):
                print(f"FAILED {result.message}", file=sys.stderr)
                if settings.debug:
                    print(result.traceback, file=sys.stderr)
    return everything_read


def _attempt(reference: str, settings: InspectSettings) -> Inspection | Unread:
    try:
        return inspect_model(reference, settings)
    except GatedRayError as error:
        message = str(error)
        named = message if reference in message else f"{reference}: {message}"
        return Unread(reference, named, traceback.format_exc())
    except Exception as error:  # noqa: BLE001 - a bug in reading one model must not stop the others
        return Unread(reference, f"{reference}: {internal_error(error)}", traceback.format_exc())


def _as_json(result: Inspection | Unread) -> dict[str, object]:
    if isinstance(result, Inspection):
        return result.as_json()
    return {"reference": result.reference, "error": result.message}
