"""Which neurons have another class in one measurement than in another: of two models, revisions or profiles of one shape."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gated_ray.errors import InputError
from gated_ray.reports.class_names import CLASS_ORDER
from gated_ray.reports.comparison.published import layer_words
from gated_ray.reports.layer_rows import LayerRow, layer_rows
from gated_ray.reports.neuron_keys import KEY_COLUMNS, neuron_keys

NO_CLASS = "no_class"
STATES = (*CLASS_ORDER, NO_CLASS)
"""What a neuron can be: of a class, or of none."""

READ_COLUMNS = [*KEY_COLUMNS, "io_class"]

ReadLayer = Callable[[LayerRow], pa.Table]
"""The `READ_COLUMNS` of one layer and component, in any order."""


@dataclass(frozen=True)
class Transitions:
    """Neurons by their class before (rows) and after (columns)."""

    layers: tuple[tuple[LayerRow, np.ndarray], ...]
    """Each layer and component with its (states, states) counts, in the order of `STATES`."""

    @property
    def total(self) -> np.ndarray:
        """Over all layers."""
        counts: np.ndarray = sum((counts for _, counts in self.layers), np.zeros((len(STATES),) * 2, np.int64))
        return counts

    @property
    def states(self) -> list[str]:
        """Those that occur before or after; all classes, where any neuron has one that plain models lack."""
        total = self.total
        occurring = [name for index, name in enumerate(STATES) if total[index].any() or total[:, index].any()]
        plain = {"enrichment", "orthogonal_output", "depletion", NO_CLASS}
        if set(occurring) <= plain:
            return [name for name in STATES if name in plain - ({NO_CLASS} - set(occurring))]
        return [name for name in STATES if name != NO_CLASS or name in occurring]


def moved(counts: np.ndarray) -> int:
    """Neurons off the diagonal."""
    return int(counts.sum() - np.trace(counts))


def require_same_shape(before: pa.Table, after: pa.Table) -> None:
    """Refuse two models whose neurons do not correspond.

    Args:
        before, after: rows of the layers table (schema `LAYERS`) of one model each.

    Raises:
        InputError: they differ in layers, components, experts or neurons; the message says in which, and where.
    """
    one, other = _blocks(before), _blocks(after)
    if gone := {place[0] for place in one} ^ {place[0] for place in other}:
        raise InputError(f"layers differ: only one of both has {layer_words(gone)}")
    if odd := {place[:2] for place in one} ^ {place[:2] for place in other}:
        raise InputError(f"components differ: only one of both has {_first(odd)}")
    if alone := one.keys() ^ other.keys():
        raise InputError(f"experts differ: only one of both has {_first(alone)}")
    for place, neurons in one.items():
        if neurons != other[place]:
            raise InputError(
                f"neurons differ: {_first([place])} has {neurons:,} in one and {other[place]:,} in the other"
            )


def class_transitions(layers: pa.Table, before: ReadLayer, after: ReadLayer) -> Transitions:
    """The transitions of every layer and component, read one after another.

    Args:
        layers: rows of the layers table of either; the shapes of both were found to be the same.
        before, after: read a layer's neurons.

    Raises:
        InputError: a layer's neurons are not the same in both.
    """
    return Transitions(tuple((row, _counts(before(row), after(row), row)) for row in layer_rows(layers)))


def _counts(before: pa.Table, after: pa.Table, row: LayerRow) -> np.ndarray:
    (keys, states), (other_keys, other_states) = _sorted(before), _sorted(after)
    if not np.array_equal(keys, other_keys):
        raise InputError(f"neurons differ: layer {row.layer} {row.component} does not have the same ones in both")
    flat = np.bincount(states * len(STATES) + other_states, minlength=len(STATES) ** 2)
    return flat.reshape(len(STATES), len(STATES))


def _sorted(table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Keys in order, and the state of each."""
    keys = neuron_keys(table)
    order = np.argsort(keys)
    states = pc.index_in(table["io_class"].cast(pa.string()), pa.array(CLASS_ORDER)).fill_null(len(CLASS_ORDER))
    return keys[order], states.to_numpy().astype(np.int64)[order]


Place = tuple[int, str, int | None]


def _blocks(layers: pa.Table) -> dict[Place, int]:
    rows = layers.select(["layer", "component", "expert", "neurons"]).to_pylist()
    return {(row["layer"], row["component"], row["expert"]): row["neurons"] for row in rows}


def _first(places: Collection[tuple[int, str] | Place]) -> str:
    """The first of these in words, and how many more there are."""
    layer, component, *expert = min(places, key=lambda place: (place[0], str(place)))
    more = f" and {len(places) - 1:,} more" if len(places) > 1 else ""
    return f"layer {layer} {component}{f' {expert[0]}' if expert and expert[0] is not None else ''}{more}"
