"""Inspections printed: a table a model, or one JSON object a model."""

import json
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table

from gated_ray.architectures.rules import load_rules
from gated_ray.cluster.units import internal_error
from gated_ray.errors import GatedRayError, InputError
from gated_ray.inspection.models import Inspection, inspect_model
from gated_ray.inspection.wording import layer_ranges, sentences
from gated_ray.settings import InspectSettings

_AT_ONCE = 4
"""Checkpoints: few, because one can have a hundred thousand tensors."""
_GB = 1e9
_NARROWEST = 100
_UNFOLDED = 10_000
"""Columns where nobody looks at a window: a row is a line."""


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
    console = _console()
    everything_read = True
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for result in pool.map(lambda ref: _attempt(ref, settings), dict.fromkeys(settings.models.refs)):
            everything_read &= isinstance(result, Inspection)
            if settings.format == "json":
                print(json.dumps(_as_json(result)), flush=True)
            elif isinstance(result, Inspection):
                _print_table(result, console)
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


def _console() -> Console:
    console = Console(highlight=False, markup=False, emoji=False)  # names may hold [brackets] and :colons:
    console.width = max(console.width, _NARROWEST) if console.is_terminal else _UNFOLDED
    return console


def _print_table(model: Inspection, console: Console) -> None:
    table = Table(title=_title(model), title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("layers", overflow="fold", max_width=24)
    table.add_column("component", no_wrap=True)
    for head in ("experts", "neurons\nx d_model", "GB"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("blocks", overflow="fold")
    for row in model.rows:
        table.add_row(
            layer_ranges(row.layers),
            row.description.component,
            "" if row.experts is None else str(row.experts),
            f"{row.description.neurons} x {row.description.d_model}",
            f"{row.bytes / _GB:.3f}",
            ("\n" if console.is_terminal else "; ").join(sentences(row.description)),
        )
    console.print(table)
    if model.left_out:
        console.print(f"left out, no part of the text backbone: {', '.join(model.left_out)}")
    if model.caveat:
        console.print(f"note: {model.caveat}")
    console.print(_totals(model))


def _title(model: Inspection) -> str:
    named = f"{model.name} @ {model.revision}" if model.revision else model.reference
    unlisted = f"model_type {model.model_type} has no rules" if model.model_type else "config.json has no model_type"
    by = {
        "rules": f"by the rules of {model.model_type}",
        "extra": f"by the rules of {model.model_type} in architectures.extra",
        "names": f"by the names of its tensors, as {unlisted}",
    }
    return f"{named}: read {by[model.resolved_by]}"


def _totals(model: Inspection) -> str:
    over = ", which single blocks exceed" if model.largest_unit > model.max_unit_bytes else ""
    return (
        f"{model.blocks:,} blocks, {model.neurons:,} neurons, {model.bytes / _GB:.3f} GB; a sweep makes {model.units:,} units, "
        f"the largest of {model.largest_unit / _GB:.3f} GB (cluster.max_unit_bytes is {model.max_unit_bytes / _GB:.3f} GB{over})"
    )
