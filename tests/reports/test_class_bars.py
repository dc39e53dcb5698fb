import itertools

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from gated_ray.reports.class_names import CLASS_ORDER
from gated_ray.reports.figures import COLUMN, class_bars
from gated_ray.reports.figures.bars import COLOURS
from gated_ray.reports.published_tables import class_counts
from gated_ray.vocabulary import IO_CLASSES, PLAIN_CLASSES
from tests.reports.layout import texts
from tests.reports.synthetic import block, blocks, tables

QWEN = class_counts("Qwen/Qwen2.5-0.5B")


def bars(axes: Axes) -> dict[str, list[Bbox]]:
    """Class -> its bars, from left to right."""
    return {
        str(bars.get_label()): [path.get_extents() for path in bars.get_paths()]
        for bars in axes.collections
        if isinstance(bars, PolyCollection)
    }


def heights(axes: Axes) -> dict[str, list[float]]:
    return {name: [box.height for box in boxes] for name, boxes in bars(axes).items()}


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
    for boxes in bars(axes).values():
        np.testing.assert_allclose([box.y0 for box in boxes], tops, atol=1e-12)
        tops += [box.height for box in boxes]
    np.testing.assert_allclose(tops, 1)


def test_each_class_has_a_look_of_its_own() -> None:
    (axes,) = class_bars(tables("Qwen/Qwen2.5-0.5B", blocks(QWEN))[1]).axes
    looks = {bars.get_label(): (tuple(bars.get_facecolor()[0]), bars.get_hatch()) for bars in axes.collections}
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
    middles = [(box.x0 + box.x1) / 2 for box in bars(axes)["enrichment"]]
    assert middles == [pytest.approx(0), pytest.approx(2)]


def test_a_model_without_any_class_says_so() -> None:
    none = dict.fromkeys(IO_CLASSES, 0)
    (axes,) = class_bars(tables("org/model", [block(0, none, without_cosine=5)])[1]).axes
    assert bars(axes) == {}
    assert [text.get_text() for text in axes.texts] == ["no neuron has a class"]


def test_a_column_has_a_short_key_below() -> None:
    figure = class_bars(tables("Qwen/Qwen2.5-0.5B", blocks(QWEN))[1], width=COLUMN)
    (key,) = figure.legends
    typical = [name.replace("_", " ") for name in CLASS_ORDER if not name.startswith("atypical")]
    assert [text.get_text() for text in key.get_texts()] == [*typical, "hatched: atypical"]


def lightness(colour: str, deficiency: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of a colour as it is seen with a deficiency: a matrix on linear RGB (Machado, Oliveira and Fernandes 2009)."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(deficiency @ linear, 0, 1)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    f = np.cbrt(to_xyz @ seen / np.array([0.9505, 1.0, 1.089]))
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


DEFICIENCIES = {
    "none": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_colour_blind_readers_tell_classes_apart(deficiency: str) -> None:
    seen = {name: lightness(colour, np.array(DEFICIENCIES[deficiency])) for name, colour in COLOURS.items()}
    for one, other in itertools.combinations(seen, 2):
        assert np.linalg.norm(seen[one] - seen[other]) > 20, (one, other)


def test_the_rw_vocabulary_is_in_the_legend() -> None:
    figure = class_bars(tables("Qwen/Qwen2.5-0.5B", blocks(QWEN))[1], vocabulary="rw")
    assert "atypical conditional weakening" in legend(figure)
    assert not any("enrich" in text or "deplet" in text for text in legend(figure))


def test_the_heading_is_the_model_and_its_revision_or_what_was_asked_for() -> None:
    layers = tables("Qwen/Qwen2.5-0.5B", blocks(QWEN))[1]
    assert "Qwen/Qwen2.5-0.5B @ 0123456" in texts(class_bars(layers))
    assert "$5 & up" in texts(class_bars(layers, title="$5 & up"))
