"""What a sweep says when it ends: of each model what was found, and of a sweep that was stopped what is left."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from gated_ray.cluster.events import emit
from gated_ray.cluster.failures import Failure
from gated_ray.cluster.plan import PlannedModel
from gated_ray.cluster.tables import ModelCounts, print_models
from gated_ray.cluster.work_unit import WEIGHTS, WorkUnit
from gated_ray.errors import GatedRayError
from gated_ray.store.objects import Objects, concurrently
from gated_ray.store.parquet import from_parquet
from gated_ray.store.publication import read_publication
from gated_ray.store.schemas import LAYERS, MODELS
from gated_ray.vocabulary import IO_CLASSES, counted


@dataclass(frozen=True)
class ModelsTable:
    """What is shown of published models.

    Attributes:
        read: what the store holds of one; None where it is not there.
        show: prints the table of these.
    """

    read: Callable[[Objects, PlannedModel], Any]
    show: Callable[[Sequence[Any]], None]


def summarise(
    objects: Objects | None,
    done: Sequence[PlannedModel],
    failures: Sequence[Failure],
    seconds: float,
    log: str,
    table: ModelsTable,
) -> None:
    """Print the table of all models that are done, or tell of it as an event.

    Args:
        objects: the store; None for numbers without a table.
        done: models that are published.
        failures: what could not be done.
        seconds: how long the sweep took.
        log: ``text`` or ``json``.
        table: of the models.
    """
    neurons = sum(model.neurons for model in done)
    if log == "json":
        emit("summary", models=len(done), neurons=neurons, failures=len(failures), seconds=seconds)
        return
    try:
        found = concurrently(lambda model: table.read(objects, model), done) if objects else []
    except GatedRayError as error:  # the work is done all the same
        print(f"the models cannot be shown: {error}", file=sys.stderr)
        found = []
    if rows := [each for each in found if each is not None]:
        table.show(rows)
    counts = {"model": len(done), "neuron": neurons, "failure": len(failures)}
    print(f"{', '.join(counted(count, noun) for noun, count in counts.items())}, {seconds:.1f} s")


def _read(objects: Objects, model: PlannedModel) -> ModelCounts | None:
    """A model's row and its neurons by class; its layers are not kept, as there may be thousands of models."""
    publication = read_publication(objects, model.partition)
    if publication is None:
        return None
    (row,) = (row for key in publication.keys("models") for row in from_parquet(objects.get(key), MODELS).to_pylist())
    layers = pa.concat_tables(from_parquet(objects.get(key), LAYERS) for key in publication.keys("layers"))
    return row, {name: pc.sum(layers[name]).as_py() for name in IO_CLASSES}


GEOMETRY = ModelsTable(_read, print_models)
"""Their neurons by class."""


def what_is_left(
    models: Sequence[PlannedModel],
    units: int,
    size: int,
    unplanned: Sequence[str],
    log: str,
    unit: WorkUnit = WEIGHTS,
) -> str:
    """The end of the message of a sweep that was stopped; the models left, on a line each, are told before.

    Args:
        models: planned and not published.
        units, size: of theirs that are not in the store, and their size.
        unplanned: references that nobody came to plan.
        log: ``text`` or ``json``.
        unit: of the size.
    """
    names = [model.reference for model in models]
    if log == "json":
        emit(
            "stopped",
            models_left=names,
            models_unplanned=list(unplanned),
            units_left=units,
            **{f"{unit.noun}_left": size},
        )
    else:
        for name in names:
            print(f"LEFT {name}")
        for name in unplanned:
            print(f"LEFT {name}: not planned yet")
    parts = [f"{counted(len(names), 'model')} left with {counted(units, 'unit')} ({unit.amount(size)}) to do"]
    if unplanned:
        parts.append(f"{counted(len(unplanned), 'model')} not planned yet")
    return f"{', '.join(parts)}; what is done is kept, run the same command again to go on"
