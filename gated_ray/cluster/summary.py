"""What a sweep says when it ends: of each model what was found, and of a sweep that was stopped what is left."""

from collections.abc import Sequence

import pyarrow.compute as pc

from gated_ray.cluster.events import emit
from gated_ray.cluster.failures import Failure
from gated_ray.cluster.plan import PlannedModel
from gated_ray.cluster.tables import gigabytes, print_summary
from gated_ray.store.catalogue import read_partitions
from gated_ray.store.objects import Objects
from gated_ray.store.schemas import LAYERS, MODELS
from gated_ray.vocabulary import counted


def summarise(
    objects: Objects, done: Sequence[PlannedModel], failures: Sequence[Failure], seconds: float, log: str
) -> None:
    """Print the table of all models that are done, or tell of it as an event.

    Args:
        objects: the store.
        done: models that are published.
        failures: what could not be done.
        seconds: how long the sweep took.
        log: ``text`` or ``json``.

    Raises:
        StoreError, TransientError: the store cannot be read back.
    """
    layers, models = LAYERS.empty_table(), MODELS.empty_table()
    if store := read_partitions(objects, [model.partition for model in done]):
        models = store.models()
        if log == "text":
            layers = store.layers()
    if log == "text":
        print_summary(layers, models, failures, seconds)
        return
    emit(
        "summary",
        models=models.num_rows,
        neurons=pc.sum(models["neurons"]).as_py() or 0,
        failures=len(failures),
        seconds=seconds,
    )


def what_is_left(models: Sequence[PlannedModel], units: int, size: int, unplanned: Sequence[str], log: str) -> str:
    """The end of the message of a sweep that was stopped; the models left, on a line each, are told before.

    Args:
        models: planned and not published.
        units, size: of theirs that are not in the store, and their bytes.
        unplanned: references that nobody came to plan.
        log: ``text`` or ``json``.
    """
    names = [model.reference for model in models]
    if log == "json":
        emit("stopped", models_left=names, models_unplanned=list(unplanned), units_left=units, bytes_left=size)
    else:
        for name in names:
            print(f"LEFT {name}")
        for name in unplanned:
            print(f"LEFT {name}: not planned yet")
    parts = [f"{counted(len(names), 'model')} left with {counted(units, 'unit')} ({gigabytes(size)} GB) to do"]
    if unplanned:
        parts.append(f"{counted(len(unplanned), 'model')} not planned yet")
    return f"{', '.join(parts)}; what is done is kept, run the same command again to go on"
