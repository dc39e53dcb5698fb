"""Cosines against norms: every neuron that is drawn stands where its numbers are."""

import numpy as np
import pyarrow as pa
import pytest
from matplotlib.axes import Axes

from gated_ray.reports.figures import cosines_and_norms
from gated_ray.reports.figures.crossing import MOST_POINTS
from gated_ray.reports.figures.points import PointLayer
from gated_ray.reports.quantiles import NORMS
from gated_ray.vocabulary import COSINES, IO_CLASSES, PLAIN_CLASSES
from tests.reports.layout import texts
from tests.reports.synthetic import block, tables

GATED = dict.fromkeys(IO_CLASSES, 20)


def points(axes: Axes) -> np.ndarray:
    """(points, 3): across, up and layer, sorted."""
    (layer,) = [artist for artist in axes.figure.artists if isinstance(artist, PointLayer)]
    scatter = layer.panels[axes]
    found = np.column_stack([scatter.get_offsets(), scatter.get_array()])
    return found[np.lexsort(found.T)]


def test_every_pair_of_cosine_and_norm_has_a_panel_with_every_neuron() -> None:
    neurons, layers, _ = tables("org/model", [block(layer, GATED) for layer in range(2)])
    panels = iter(cosines_and_norms(neurons, layers).axes)
    for norm in NORMS:
        for cosine in COSINES:
            expected = np.column_stack([neurons[name].to_numpy() for name in (cosine, norm, "layer")])
            axes = next(panels)
            np.testing.assert_allclose(points(axes), expected[np.lexsort(expected.T)])
            assert axes.get_yscale() == "log"
    assert "at random" not in texts(cosines_and_norms(neurons, layers))


def test_a_plain_model_has_one_cosine_against_two_norms() -> None:
    neurons, layers, _ = tables("org/plain", [block(0, dict.fromkeys(PLAIN_CLASSES, 9))])
    first, second, _bar = cosines_and_norms(neurons, layers).axes
    for axes, norm in ((first, "norm_in"), (second, "norm_out")):
        assert {round(float(up), 5) for up in points(axes)[:, 1]} == {round(x, 5) for x in neurons[norm].to_pylist()}


def test_many_neurons_are_thinned_and_the_note_says_so() -> None:
    neurons, layers, _ = tables("org/model", [block(layer, dict.fromkeys(IO_CLASSES, 400)) for layer in range(3)])
    figure = cosines_and_norms(neurons, layers)
    assert len(points(figure.axes[0])) == MOST_POINTS
    assert "At most 4,000 neurons of a layer, drawn at random. 8,000 of 12,000 points" in texts(figure)
    by_layer = np.bincount(points(figure.axes[0])[:, 2].astype(int))
    assert by_layer == pytest.approx([MOST_POINTS / 3] * 3, rel=0.05)


def test_neurons_of_no_length_are_left_out() -> None:
    neurons, layers, _ = tables("org/model", [block(0, GATED)])
    place = neurons.schema.get_field_index("norm_out")
    lengths = [0.0, float("inf"), *neurons["norm_out"].to_pylist()[2:]]
    neurons = neurons.set_column(place, neurons.schema.field(place), pa.array(lengths, pa.float32()))
    assert len(points(cosines_and_norms(neurons, layers).axes[0])) == neurons.num_rows - 2
