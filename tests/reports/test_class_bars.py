import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gated_ray.reports.class_names import CLASS_ORDER
from gated_ray.reports.figures import class_bars
from gated_ray.reports.published_tables import class_counts
from gated_ray.vocabulary import IO_CLASSES, PLAIN_CLASSES
from tests.reports.synthetic import block, blocks, tables

QWEN = class_counts("Qwen/Qwen2.5-0.5B")


def heights(axes: Axes) -> dict[str, list[float]]:
    """Class -> the heights of its bars, from left to right."""
    return {bars.get_label(): [bar.get_height() for bar in bars] for bars in axes.containers}


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes if (box := axes.get_legend()) for text in box.get_texts()]


def test_bars_are_the_shares_of_each_layer_in_the_order_of_the_classes() -> None:
    (axes,) = class_bars(tables("Qwen/Qwen2.5-0.5B", blocks(QWEN))[1]).axes
    drawn = heights(axes)
    assert tuple(drawn) == CLASS_ORDER
    for name in IO_CLASSES:
        np.testing.assert_allclose(drawn[name], [QWEN[layer][name] / 4864 for layer in range(24)])


def test_bars_stand_on_each_other_and_sum_to_one() -> None:
    (axes,) = class_bars(tables("Qwen/Qwen2.5-0.5B", blocks(QWEN))[1]).axes
    tops = np.zeros(24)
    for bars in axes.containers:
        np.testing.assert_allclose([bar.get_y() for bar in bars], tops, atol=1e-12)
        tops += [bar.get_height() for bar in bars]
    np.testing.assert_allclose(tops, 1)


def test_each_class_has_a_look_of_its_own() -> None:
    (axes,) = class_bars(tables("Qwen/Qwen2.5-0.5B", blocks(QWEN))[1]).axes
    looks = {bars.get_label(): (bars[0].get_facecolor(), bars[0].get_hatch()) for bars in axes.containers}
    assert len(set(looks.values())) == len(IO_CLASSES)
    for name in IO_CLASSES:
        typical = name.removeprefix("atypical_")
        assert looks[name][0] == looks[typical][0]
        assert bool(looks[name][1]) == (name != typical)


def test_a_plain_model_has_three_classes_and_three_legend_entries() -> None:
    counts = class_counts("distilgpt2")
    figure = class_bars(tables("distilgpt2", blocks(counts))[1])
    assert tuple(heights(figure.axes[0])) == PLAIN_CLASSES
    assert legend(figure) == ["depletion", "orthogonal output", "enrichment"]


def test_components_have_panels_of_their_own() -> None:
    made = [block(0, QWEN[0]), *(block(1, QWEN[n], "expert", n) for n in range(3)), block(1, QWEN[9], "shared_expert")]
    figure = class_bars(tables("org/moe", made)[1])
    assert [axes.get_title("right") for axes in figure.axes] == ["MLP", "experts", "shared expert"]
    experts = heights(figure.axes[1])
    pooled = sum(QWEN[n]["orthogonal_output"] for n in range(3)) / (3 * 4864)
    assert experts["orthogonal_output"] == [pytest.approx(pooled)]


def test_a_layer_without_any_class_has_no_bar() -> None:
    empty = block(1, dict.fromkeys(IO_CLASSES, 0), without_cosine=5)
    (axes,) = class_bars(tables("org/model", [block(0, QWEN[0]), empty, block(2, QWEN[2])])[1]).axes
    middles = [bar.get_x() + bar.get_width() / 2 for bar in axes.containers[0]]
    assert middles == [pytest.approx(0), pytest.approx(2)]


def test_legend_and_title_stay_inside_the_figure() -> None:
    figure = class_bars(tables("some-organisation/a-model-with-a-name-as-long-as-some-are-7B", blocks(QWEN))[1])
    figure.canvas.draw()
    box = figure.axes[0].get_legend().get_window_extent()
    assert box.x1 <= figure.bbox.x1
    assert box.x0 >= figure.axes[0].get_window_extent().x1
    assert figure.axes[0]._left_title.get_window_extent().x1 <= figure.bbox.x1


def test_the_rw_vocabulary_is_in_the_legend() -> None:
    figure = class_bars(tables("Qwen/Qwen2.5-0.5B", blocks(QWEN))[1], vocabulary="rw")
    assert "atypical conditional weakening" in legend(figure)
    assert not any("enrich" in text or "deplet" in text for text in legend(figure))


def test_the_heading_is_the_model_and_its_revision_or_what_was_asked_for() -> None:
    layers = tables("Qwen/Qwen2.5-0.5B", blocks(QWEN))[1]
    assert class_bars(layers).axes[0].get_title("left") == "Qwen/Qwen2.5-0.5B @ 0123456"
    assert class_bars(layers, title="$5 & up").axes[0].get_title("left") == "$5 & up"
