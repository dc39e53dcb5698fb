"""How often the gate is positive, by IO class, beside neurons of the same layers outside the class (METHOD section 6)."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from gated_ray.reports.class_names import CLASS_ORDER
from gated_ray.reports.layer_rows import LayerRow
from gated_ray.reports.neuron_keys import looked_up, neuron_keys
from gated_ray.vocabulary import COSINES

FREQUENCY = "gate_positive_freq"
POINTS = 2000
"""Most neurons of a layer that are kept with their cosines, for drawing."""

_SEED = 0


@dataclass(frozen=True)
class LayerFrequencies:
    """One layer and component."""

    row: LayerRow
    by_class: dict[str, np.ndarray]
    """Class -> frequency of gate > 0 of its neurons, in [0, 1]; without neurons that saw no token."""
    drawn: dict[str, np.ndarray]
    """Class -> the frequencies of as many neurons of this layer outside the class; of all of them where there are fewer."""
    points: pa.Table
    """A seeded choice of neurons: ``layer``, the cosines and `FREQUENCY`."""


@dataclass(frozen=True)
class ClassFrequency:
    """One class of one model."""

    io_class: str
    frequencies: np.ndarray
    drawn: np.ndarray

    @property
    def mean(self) -> float | None:
        """Mean frequency of gate > 0 over the class's neurons; None where it has none."""
        return float(self.frequencies.mean()) if len(self.frequencies) else None

    @property
    def drawn_mean(self) -> float | None:
        """The same over the neurons drawn beside them."""
        return float(self.drawn.mean()) if len(self.drawn) else None


def layer_frequencies(neurons: pa.Table, activations: pa.Table, row: LayerRow) -> LayerFrequencies:
    """The frequencies of one layer and component, joined to classes and cosines.

    Neurons are drawn for each class apart, by a choice that depends on the layer, the component, the class and the order of
    neurons alone.

    Args:
        neurons: `KEY_COLUMNS`, ``layer``, ``io_class`` and the cosines of schema `NEURONS`, of this layer and component alone.
        activations: `KEY_COLUMNS` and `FREQUENCY` of schema `ACTIVATIONS`, of the same, over one dataset. Rows may be missing
            and stand in any order.
        row: the layer and component.
    """
    frequencies = looked_up(neuron_keys(neurons), neuron_keys(activations), activations[FREQUENCY].to_numpy())
    classes = np.array(neurons["io_class"].to_pylist(), dtype=object)
    known = np.isfinite(frequencies)
    by_class, drawn = {}, {}
    for index, name in enumerate(CLASS_ORDER):
        inside = frequencies[known & (classes == name)]
        outside = frequencies[known & (classes != name) & (classes != np.array(None))]
        generator = np.random.default_rng([_SEED, row.layer, *row.component.encode(), index])
        chosen = generator.permutation(len(outside))[: len(inside)]
        by_class[name], drawn[name] = inside, outside[np.sort(chosen)]
    points = neurons.select(["layer", *COSINES]).append_column(
        FREQUENCY, pa.array(frequencies, pa.float64(), from_pandas=True)
    )
    generator = np.random.default_rng([_SEED, row.layer, *row.component.encode()])
    kept = np.sort(generator.permutation(np.flatnonzero(known))[:POINTS])
    return LayerFrequencies(row, by_class, drawn, points.take(kept))


def class_frequencies(layers: Iterable[LayerFrequencies]) -> list[ClassFrequency]:
    """All layers of a model together, class by class, in the order of `CLASS_ORDER`."""
    found = list(layers)
    return [
        ClassFrequency(
            name,
            np.concatenate([np.empty(0), *(each.by_class[name] for each in found)]),
            np.concatenate([np.empty(0), *(each.drawn[name] for each in found)]),
        )
        for name in CLASS_ORDER
    ]
