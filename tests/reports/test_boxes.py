"""Letter-value boxes hold what they say, over all neurons, and regions are marked."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgba

from gated_ray.reports.figures import cosine_boxes, norm_boxes
from gated_ray.reports.figures.regions import THEORY_LINE
from gated_ray.reports.figures.sections import layer_axis
from gated_ray.reports.layer_rows import layer_rows
from gated_ray.reports.quantiles import LEVELS, NORMS, TAILS, model_quantiles
from gated_ray.vocabulary import COSINES, IO_CLASSES, PLAIN_CLASSES
from tests.reports.layout import texts
from tests.reports.synthetic import REGION, block, tables

GATED = dict.fromkeys(IO_CLASSES, 60)
PLAIN = dict.fromkeys(PLAIN_CLASSES, 200)


def boxes(axes: Axes) -> list[np.ndarray]:
    """(layers, 2) lower and upper ends, from the outermost box in."""
    drawn = [artist for artist in axes.collections if isinstance(artist, PolyCollection)]
    ends = [[path.get_extents().intervaly for path in each.get_paths()] for each in drawn]
    return [np.array(of_box) for of_box in ends]


def levels(axes: Axes, colour: str, ends: int) -> np.ndarray:
    """The heights of the marks of a colour."""
    for artist in axes.collections:
        if isinstance(artist, LineCollection) and artist.get_color()[0] == pytest.approx(to_rgba(colour)):
            return np.array([segment[0, 1] for segment in artist.get_segments()]).reshape(-1, ends)
    raise AssertionError(f"nothing is marked in {colour}")


def test_boxes_hold_their_shares_of_all_neurons_of_the_layer() -> None:
    neurons, layers, _ = tables("org/model", [block(layer, GATED, shift=0.1 * layer) for layer in range(3)])
    figure = cosine_boxes(model_quantiles(neurons, layers), layers)
    for axes, cosine in zip(figure.axes, COSINES, strict=True):
        drawn = boxes(axes)
        assert len(drawn) == len(TAILS)
        for box, tail in zip(drawn, TAILS[::-1], strict=True):
            for layer in range(3):
                values = neurons.filter(pc.field("layer") == layer)[cosine].to_numpy()
                inside = (values >= box[layer, 0]) & (values <= box[layer, 1])
                assert inside.mean() == pytest.approx(1 - 2 * tail, abs=0.03)  # some values are equal


def test_the_innermost_box_is_between_the_quartiles_and_white_at_the_median_of_the_layers_table() -> None:
    neurons, layers, _ = tables("org/model", [block(layer, GATED, shift=0.1 * layer) for layer in range(3)])
    *_, axes = cosine_boxes(model_quantiles(neurons, layers), layers).axes
    np.testing.assert_allclose(levels(axes, "white", 1)[:, 0], layers["cos_in_out_median"].to_numpy())
    values = neurons.filter(pc.field("layer") == 1)["cos_in_out"].to_numpy()
    np.testing.assert_allclose(boxes(axes)[-1][1], np.quantile(values, [0.25, 0.75]), rtol=1e-6)


def test_both_regions_are_marked_for_every_cosine() -> None:
    neurons, layers, _ = tables("org/model", [block(layer, GATED) for layer in range(2)])
    place = layers.schema.get_field_index("mismatched_gate_in_high")
    layers = layers.set_column(place, layers.schema.field(place), [[0.125, 0.25]])
    figure = cosine_boxes(model_quantiles(neurons, layers), layers)
    low, high = REGION
    mismatched = ([[0.125], [0.25]], [[low / 2, high / 2]] * 2, [[low, high]] * 2)
    for axes, cosine, ends in zip(figure.axes, COSINES, mismatched, strict=True):
        theory = [[0.24]] * 2 if cosine == "cos_gate_in" else [[-0.24, 0.24]] * 2
        np.testing.assert_allclose(levels(axes, THEORY_LINE["color"], len(theory[0])), theory)
        np.testing.assert_allclose(levels(axes, "black", len(ends[0])), ends)
    assert "Black lines: 95 % of the cosines between different neurons." in texts(figure)


def test_a_plain_model_has_one_cosine_and_two_norms() -> None:
    neurons, layers, _ = tables("org/plain", [block(0, PLAIN)])
    quantiles = model_quantiles(neurons, layers)
    assert len(cosine_boxes(quantiles, layers).axes) == 1
    figure = norm_boxes(quantiles, layers)
    assert len(figure.axes) == 2
    for axes, norm in zip(figure.axes, NORMS[1:], strict=True):
        assert axes.get_yscale() == "log"
        values = neurons[norm].to_numpy()
        assert axes.get_ylim()[0] < values.min() < values.max() < axes.get_ylim()[1]
        np.testing.assert_allclose(boxes(axes)[-1][0], np.quantile(values, [0.25, 0.75]), rtol=1e-6)


def test_norms_that_are_not_finite_are_left_out() -> None:
    neurons, layers, _ = tables("org/model", [block(0, GATED)])
    place = neurons.schema.get_field_index("norm_in")
    spoiled = neurons["norm_in"].to_pylist()
    spoiled[:2] = [float("inf"), float("nan")]
    neurons = neurons.set_column(place, neurons.schema.field(place), pa.array(spoiled, pa.float32()))
    (found,) = model_quantiles(neurons, layers)
    np.testing.assert_allclose(found.values["norm_in"], np.quantile(np.float64(np.float32(spoiled[2:])), LEVELS))


def test_a_layer_without_cosines_is_a_gap_and_a_model_without_says_so() -> None:
    none = dict.fromkeys(IO_CLASSES, 0)
    neurons, layers, _ = tables("org/model", [block(0, GATED), block(1, none, without_cosine=3), block(2, GATED)])
    assert len(boxes(cosine_boxes(model_quantiles(neurons, layers), layers).axes[0])[0]) == 2
    neurons, layers, _ = tables("org/model", [block(0, none, without_cosine=3)])
    assert texts(cosine_boxes(model_quantiles(neurons, layers), layers)).count("no neuron has this value") == 3


def test_components_have_sections_of_their_own_named_above() -> None:
    made = [block(0, GATED), *(block(layer, GATED, "shared_expert") for layer in range(1, 9))]
    neurons, layers, _ = tables("org/moe", made)
    figure = cosine_boxes(model_quantiles(neurons, layers), layers)
    assert [text.get_text() for text in figure.axes[0].texts] == ["MLP", "shared expert"]
    rows = layer_rows(layers)
    axis = layer_axis(rows, 6.0)
    places = [axis.position(row) for row in rows]
    assert places == sorted(places)
    assert places[1] - places[0] > 1.2
    np.testing.assert_allclose(np.diff(places[1:]), 1)
    ticks = dict(zip(figure.axes[-1].get_xticks(), figure.axes[-1].get_xticklabels(), strict=True))
    assert [ticks[place].get_text() for place in ticks] == ["0", "1", "2", "3", "4", "5", "6", "7", "8"]
