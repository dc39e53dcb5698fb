import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.transforms import Bbox

from gated_ray.errors import InputError
from gated_ray.reports.figures import cosine_scatter, drawn_neurons
from gated_ray.reports.figures.points import PointLayer
from gated_ray.reports.figures.regions import THEORY_LINE
from gated_ray.reports.layer_rows import layer_rows
from gated_ray.reports.published_tables import class_counts
from gated_ray.reports.thinning import POINTS
from gated_ray.vocabulary import COSINES, IO_CLASSES
from tests.reports.synthetic import REGION, REVISION, block, blocks, tables

QWEN = {
    layer: {name: n // 16 for name, n in classes.items()}
    for layer, classes in class_counts("Qwen/Qwen2.5-0.5B").items()
}
PLAIN = class_counts("EleutherAI/pythia-14m")


def panels(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.get_title()]


def points(axes: Axes) -> PathCollection:
    (layer,) = [artist for artist in axes.figure.artists if isinstance(artist, PointLayer)]
    assert layer.get_rasterized()
    return layer.panels[axes]


def histogram(axes: Axes) -> list[Bbox]:
    """The bars, from left to right."""
    (bars,) = [artist for artist in axes.collections if isinstance(artist, PolyCollection)]
    return [path.get_extents() for path in bars.get_paths()]


def lines_at(axes: Axes, orientation: str) -> set[float]:
    data = [(line.get_xdata(), line.get_ydata()) for line in axes.lines]
    return {
        x[0] if orientation == "vertical" else y[0]
        for x, y in data
        if (x if orientation == "vertical" else y)[0] in (-0.5, 0.5)
    }


def bands(axes: Axes) -> list[tuple[float, float, float, float]]:
    boxes = [patch for patch in axes.patches if isinstance(patch, Rectangle) and patch.get_alpha()]
    return [(box.get_x(), box.get_y(), box.get_width(), box.get_height()) for box in boxes]


def notes(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.texts).replace("\n", " ")


def test_one_panel_a_layer_with_every_neuron_in_its_place() -> None:
    neurons, layers, _ = tables("Qwen/Qwen2.5-0.5B", blocks(QWEN))
    drawn = panels(cosine_scatter(neurons, layers))
    assert [axes.get_title() for axes in drawn] == [f"layer {layer}" for layer in range(24)]
    for layer in (0, 7, 23):
        mine = neurons.filter(pc.field("layer") == layer)
        gate_in, gate_out, in_out = (mine[name].to_numpy() for name in COSINES)
        np.testing.assert_array_equal(points(drawn[layer]).get_offsets(), np.column_stack([gate_out, in_out]))
        np.testing.assert_array_equal(points(drawn[layer]).get_array(), gate_in)


def test_all_panels_share_one_scale_of_colour_and_axes() -> None:
    neurons, layers, _ = tables("Qwen/Qwen2.5-0.5B", blocks(QWEN))
    for axes in panels(cosine_scatter(neurons, layers)):
        assert (axes.get_xlim(), axes.get_ylim()) == ((-1, 1), (-1, 1))
        assert points(axes).get_clim() == (0, 1)


def test_thresholds_and_mismatched_regions_are_marked() -> None:
    neurons, layers, _ = tables("Qwen/Qwen2.5-0.5B", blocks(QWEN))
    figure = cosine_scatter(neurons, layers)
    low, high = REGION
    for axes in panels(figure):
        assert lines_at(axes, "vertical") == {-0.5, 0.5}
        assert lines_at(axes, "horizontal") == {-0.5, 0.5}
        across, up = bands(axes)
        assert (across[0], across[2]) == (pytest.approx(low / 2), pytest.approx((high - low) / 2))
        assert (up[1], up[3]) == (pytest.approx(low), pytest.approx(high - low))
    assert "Grey bands" in notes(figure)


def test_the_theory_region_is_marked_apart() -> None:
    neurons, layers, _ = tables("Qwen/Qwen2.5-0.5B", blocks(QWEN))
    figure = cosine_scatter(neurons, layers)
    for axes in panels(figure):
        red = [line for line in axes.lines if line.get_color() == THEORY_LINE["color"]]
        assert {line.get_xdata()[0] for line in red if line.get_xdata()[0] == line.get_xdata()[1]} == {-0.24, 0.24}
        assert {line.get_ydata()[0] for line in red if line.get_ydata()[0] == line.get_ydata()[1]} == {-0.24, 0.24}
    assert "Red dots: 95 % of the cosines of random vectors." in notes(figure)


def test_the_regions_of_the_colour_stand_above_its_bar() -> None:
    neurons, layers, _ = tables("Qwen/Qwen2.5-0.5B", blocks(QWEN))
    highs = pa.array([0.1 + 0.01 * layer for layer in range(24)], pa.float64())
    place = layers.schema.get_field_index("mismatched_gate_in_high")
    layers = layers.set_column(place, layers.schema.field(place), highs)
    (bar,) = [axes for axes in cosine_scatter(neurons, layers).axes if not axes.get_title()]
    assert [line.get_xdata()[0] for line in bar.lines] == [0.24, pytest.approx(0.33)]


@pytest.mark.parametrize("width", [6.9, 3.3])
def test_a_few_layers_are_larger(width: float) -> None:
    neurons, layers, _ = tables("Qwen/Qwen2.5-0.5B", blocks(QWEN))
    few = panels(cosine_scatter(neurons, layers, selected=[23, 0, 6], width=width))
    assert [axes.get_title() for axes in few] == ["layer 0", "layer 6", "layer 23"]
    all_layers = panels(cosine_scatter(neurons, layers, width=width))
    assert few[0].get_window_extent().width > 1.4 * all_layers[0].get_window_extent().width
    with pytest.raises(InputError, match=r"layers=\[24\]: the model has layers 0 to 23"):
        cosine_scatter(neurons, layers, selected=[24])


def test_without_mismatched_regions_nothing_is_shaded_or_said() -> None:
    neurons, layers, _ = tables("Qwen/Qwen2.5-0.5B", blocks(QWEN))
    for name in [
        name for name in layers.column_names if name.startswith("mismatched_") and name != "mismatched_regions"
    ]:
        column = layers.schema.get_field_index(name)
        layers = layers.set_column(
            column, layers.schema.field(name), pa.nulls(layers.num_rows, layers.schema.field(name).type)
        )
    figure = cosine_scatter(neurons, layers)
    assert not any(bands(axes) for axes in panels(figure))
    assert "Grey" not in notes(figure)
    assert "No mismatched regions: the profile computed none." in notes(figure)


def test_big_layers_are_thinned_by_a_seeded_choice_that_the_note_tells() -> None:
    big = dict.fromkeys(IO_CLASSES, 500)
    neurons, layers, _ = tables("org/big", [block(0, big), block(1, QWEN[1])])
    figure = cosine_scatter(neurons, layers)
    first, second = (points(axes).get_offsets() for axes in panels(figure))
    assert (len(first), len(second)) == (POINTS, sum(QWEN[1].values()))
    assert "4,000 of them, drawn at random (seed 0)" in notes(figure)
    np.testing.assert_array_equal(first, points(panels(cosine_scatter(neurons, layers))[0]).get_offsets())
    assert "drawn at random" not in notes(cosine_scatter(*tables("org/small", [block(1, QWEN[1])])[:2]))


def test_thinning_keeps_neurons_whole_is_uniform_and_does_nothing_twice() -> None:
    neurons, layers, _ = tables("org/big", [block(0, dict.fromkeys(IO_CLASSES, 500))])
    (row,) = layer_rows(layers)
    thinned = drawn_neurons(neurons, row)
    indices = thinned["neuron"].to_numpy()
    assert np.all(np.diff(indices) > 0)
    assert thinned.equals(neurons.take(indices))
    kept = np.histogram(indices, bins=10, range=(0, 5500))[0] / 550
    assert np.all(np.abs(kept - POINTS / 5500) < 0.1)
    assert drawn_neurons(thinned, row).equals(thinned)


def test_neurons_without_cosines_are_left_out() -> None:
    neurons, layers, _ = tables("org/model", [block(0, QWEN[3], without_cosine=9)])
    (axes,) = panels(cosine_scatter(neurons, layers))
    assert len(points(axes).get_offsets()) == sum(QWEN[3].values())


def test_experts_share_a_panel_and_components_do_not() -> None:
    made = [block(1, QWEN[n], "expert", n) for n in range(3)] + [block(1, QWEN[9], "shared_expert")]
    figure = cosine_scatter(*tables("org/moe", made)[:2])
    drawn = panels(figure)
    assert [axes.get_title() for axes in drawn] == ["layer 1", "layer 1"]
    assert {"experts", "shared expert"} <= {text.get_text() for text in figure.texts}
    assert len(points(drawn[0]).get_offsets()) == sum(sum(QWEN[n].values()) for n in range(3))


def test_the_note_says_what_a_panel_and_its_bands_are_of() -> None:
    one = notes(cosine_scatter(*tables("org/model", blocks(QWEN))[:2]))
    assert "One panel a layer, one point a neuron" in one
    assert "Grey bands: 95 % of the cosines between different neurons." in one
    experts = [block(1, QWEN[n], "expert", n) for n in range(2)]
    shared = [*experts, block(1, QWEN[9], "shared_expert")]
    of_both, of_experts = (notes(cosine_scatter(*tables("org/moe", made)[:2])) for made in (shared, experts))
    assert "One panel a layer and component, one" in of_both
    assert "One panel a layer, one" in of_experts
    for note in (of_both, of_experts):
        assert "between different neurons (of experts: the mean of the ends of each expert's own)." in note
    plain = [block(0, PLAIN[0], "encoder_mlp"), block(0, PLAIN[1], "decoder_mlp")]
    assert "One panel a layer and component, scaled" in notes(cosine_scatter(*tables("org/t5", plain)[:2]))


def test_a_plain_model_has_a_histogram_a_layer() -> None:
    neurons, layers, _ = tables("EleutherAI/pythia-14m", blocks(PLAIN))
    drawn = panels(cosine_scatter(neurons, layers))
    assert [axes.get_title() for axes in drawn] == [f"layer {layer}" for layer in range(6)]
    for layer, axes in enumerate(drawn):
        bars = histogram(axes)
        values = neurons.filter(pc.field("layer") == layer)["cos_in_out"].to_numpy()
        assert len(bars) == 40
        for bar in bars:
            inside = (values >= bar.x0 - 1e-9) & (values < bar.x1 - 1e-9)
            assert bar.height == pytest.approx(inside.mean())
        depleting = sum(bar.height for bar in bars if bar.x1 <= -0.5 + 1e-9)
        assert depleting == pytest.approx(PLAIN[layer]["depletion"] / 512)
        assert lines_at(axes, "vertical") == {-0.5, 0.5}
        assert np.median(values) in [line.get_xdata()[0] for line in axes.lines]
        assert bands(axes)[0][0] == pytest.approx(REGION[0])


def test_a_layer_without_any_cosine_leaves_its_panel_empty() -> None:
    none = dict.fromkeys(IO_CLASSES, 0)
    drawn = panels(cosine_scatter(*tables("org/model", [block(0, none, without_cosine=4), block(1, QWEN[1])])[:2]))
    assert [len(points(axes).get_offsets()) for axes in drawn] == [0, sum(QWEN[1].values())]
    plain = dict.fromkeys(PLAIN[0], 0)
    drawn = panels(cosine_scatter(*tables("org/plain", [block(0, plain, without_cosine=4), block(1, PLAIN[1])])[:2]))
    assert sum(bar.height for bar in histogram(drawn[0])) == 0


def test_panels_of_a_component_begin_a_line() -> None:
    made = [block(layer, QWEN[layer]) for layer in range(2)]
    made += [block(layer, QWEN[layer], "shared_expert") for layer in range(2, 8)]
    first, second, third, *_ = panels(cosine_scatter(*tables("org/moe", made)[:2]))
    assert first.get_position().y0 == second.get_position().y0 > third.get_position().y0
    assert first.get_position().x0 == third.get_position().x0


def test_the_heading_names_the_revision() -> None:
    neurons, layers, _ = tables("org/model", blocks({0: QWEN[0]}))
    assert cosine_scatter(neurons, layers).texts[0].get_text() == f"org/model @ {REVISION[:7]}"
