"""Figures of mixtures of experts: each expert's shares in its cell, the shared expert's beside them."""

import numpy as np
import pyarrow as pa
import pytest
from matplotlib.figure import Figure

from gated_ray.reports.class_names import CLASS_ORDER
from gated_ray.reports.expert_shares import expert_components, expert_shares, shared_rows
from gated_ray.reports.figures import expert_heatmap, shared_and_routed
from gated_ray.vocabulary import IO_CLASSES
from tests.reports.layout import texts
from tests.reports.models import expert_layers
from tests.reports.synthetic import block, tables

NONE = dict.fromkeys(IO_CLASSES, 0)


def cells(figure: Figure, io_class: str) -> np.ndarray:
    """(experts, layers) of one class's panel."""
    return np.ma.filled(figure.axes[CLASS_ORDER.index(io_class)].images[0].get_array(), np.nan)


def share(layers: pa.Table, layer: int, component: str, expert: int | None, io_class: str) -> float:
    (row,) = [
        row
        for row in layers.to_pylist()
        if (row["layer"], row["component"], row["expert"]) == (layer, component, expert)
    ]
    return row[io_class] / sum(row[name] for name in IO_CLASSES)


def test_a_cell_is_the_share_of_its_expert_in_its_layer() -> None:
    layers = expert_layers(7, 5, first=1, every=2)
    shuffled = layers.take(np.random.default_rng(0).permutation(layers.num_rows))
    figure = expert_heatmap(shuffled)
    for io_class in ("enrichment", "atypical_conditional_depletion"):
        drawn = cells(figure, io_class)
        assert drawn.shape == (5, 5)
        assert np.isnan(drawn[:, 1::2]).all(), "layers 2 and 4 have no experts"
        for layer in (1, 3, 5):
            expected = [share(layers, layer, "expert", expert, io_class) for expert in range(5)]
            np.testing.assert_allclose(drawn[:, layer - 1], expected)
        assert figure.axes[CLASS_ORDER.index(io_class)].images[0].get_extent() == [0.5, 5.5, -0.5, 4.5]


def test_the_scale_of_a_panel_ends_at_the_share_that_stands_above_it() -> None:
    figure = expert_heatmap(expert_layers(7, 5))
    highest = np.nanmax(cells(figure, "enrichment"))
    axes = figure.axes[0]
    assert axes.images[0].get_clim() == (0, pytest.approx(highest))
    assert axes.get_title().replace("\n", " ") == f"enrichment: to {100 * highest:.3g} %"


def test_experts_that_are_not_there_or_have_no_class_are_told_from_those_without_the_class() -> None:
    made = [block(0, NONE | {"depletion": 3}, "expert", 0), block(0, NONE, "expert", 2, without_cosine=4)]
    figure = expert_heatmap(tables("org/moe", made)[1])
    np.testing.assert_array_equal(cells(figure, "depletion")[:, 0], [1, np.nan, np.nan])
    np.testing.assert_array_equal(cells(figure, "enrichment")[:, 0], [0, np.nan, np.nan])


def test_the_shared_expert_is_drawn_beside_the_routed_ones() -> None:
    layers = expert_layers(6, 20)
    figure = shared_and_routed(layers)
    for io_class in CLASS_ORDER:
        median, beside = figure.axes[CLASS_ORDER.index(io_class)].lines
        routed = [[share(layers, layer, "expert", expert, io_class) for expert in range(20)] for layer in range(1, 6)]
        np.testing.assert_allclose(median.get_ydata(), np.median(routed, axis=1))
        expected = [share(layers, layer, "shared_expert", None, io_class) for layer in range(1, 6)]
        np.testing.assert_allclose(beside.get_ydata(), expected)
        low, high = figure.axes[0].get_ylim()
        assert low == 0
        assert high > 0
    assert {"shared expert", "median of the routed experts"} <= {
        text.get_text() for text in figure.legends[0].get_texts()
    }


def test_a_model_without_shared_experts_says_so() -> None:
    figure = shared_and_routed(expert_layers(6, 4, shared=False))
    assert "The model has no shared expert." in texts(figure)
    assert "shared expert" not in [text.get_text() for text in figure.legends[0].get_texts()]


def test_experts_of_a_decoder_have_their_own_shared_expert() -> None:
    counts = NONE | {"depletion": 1, "enrichment": 3}
    made = [
        block(0, counts, "decoder_expert", 0),
        block(0, counts, "decoder_shared_expert"),
        block(0, counts, "shared_expert"),
    ]
    layers = tables("org/odd", made)[1]
    assert expert_components(layers) == ["decoder_expert"]
    assert [row.component for row in shared_rows(layers, "decoder_expert")] == ["decoder_shared_expert"]
    found = expert_shares(layers, "decoder_expert")
    assert found.shares[CLASS_ORDER.index("enrichment")].tolist() == [[0.75]]


def test_several_shared_experts_are_all_shared() -> None:
    counts = NONE | {"depletion": 1}
    made = [block(0, counts, name) for name in ("shared_expert_0", "shared_expert_1", "mlp")]
    layers = tables("org/odd", [*made, block(0, counts, "expert", 0)])[1]
    assert [row.component for row in shared_rows(layers, "expert")] == ["shared_expert_0", "shared_expert_1"]


def test_the_rw_vocabulary_is_in_the_titles() -> None:
    titles = texts(expert_heatmap(expert_layers(3, 2), vocabulary="rw"))
    assert "conditional weakening" in titles
    assert "depletion" not in titles
