"""Every figure of every kind of model can be read at the width of a page and of a column."""

from collections.abc import Callable

import pyarrow as pa
import pytest
from matplotlib.figure import Figure

from gated_ray.reports.figures import (
    COLUMN,
    WIDTH,
    class_bars,
    cosine_boxes,
    cosine_scatter,
    cosines_and_norms,
    expert_heatmap,
    frequency_and_cosines,
    frequency_by_class,
    median_curves,
    norm_boxes,
    shared_and_routed,
    training_shares,
)
from gated_ray.reports.figures.panels import layer_panels
from gated_ray.reports.figures.scales import cosine_scale
from gated_ray.reports.figures.style import TALLEST, styled
from gated_ray.reports.frequencies import class_frequencies
from gated_ray.reports.frequency_table import frequency_table
from gated_ray.reports.layer_rows import LayerRow, layer_rows
from gated_ray.reports.published_tables import models as published_models
from gated_ray.reports.quantiles import LayerQuantiles, model_quantiles
from gated_ray.reports.selected_layers import first_quartiles_last
from gated_ray.vocabulary import IO_CLASSES
from tests.reports.layout import assert_tidy, smallest_text, texts
from tests.reports.models import DATASET, FEW, LONG_NAME, PLAIN, expert_layers, frequencies, model, trained
from tests.reports.synthetic import REVISION, block, tables

Draw = Callable[[pa.Table, pa.Table, float], Figure]

FIGURES: dict[str, Draw] = {
    "bars": lambda _, layers, width: class_bars(layers, width=width),
    "selected": lambda neurons, layers, width: cosine_scatter(
        neurons, layers, selected=first_quartiles_last(layer_rows(layers)), width=width
    ),
    "boxes": lambda neurons, layers, width: cosine_boxes(model_quantiles(neurons, layers), layers, width=width),
    "norms": lambda neurons, layers, width: norm_boxes(model_quantiles(neurons, layers), layers, width=width),
    "crossing": lambda neurons, layers, width: cosines_and_norms(neurons, layers, width=width),
}


def assert_readable(figure: Figure, width: float) -> None:
    assert_tidy(figure)
    assert smallest_text(figure) >= 6
    assert figure.get_figwidth() == width
    assert figure.get_figheight() <= TALLEST


IN_A_COLUMN = {
    "bars": ("one layer", "80 layers", "plain", "mixture", "no class"),
    "selected": ("80 layers", "plain", "mixture"),
    "boxes": ("one layer", "80 layers", "encoder and decoder", "mixture", "no class"),
    "norms": ("80 layers", "no class, plain"),
    "crossing": ("16 layers", "plain", "no class"),
}
ON_A_PAGE = {
    "bars": ("encoder and decoder", "mixture"),
    "selected": ("16 layers", "encoder and decoder"),
    "boxes": ("80 layers", "mixture"),
    "norms": ("plain",),
    "crossing": ("16 layers", "plain"),
}
CASES = [
    (figure, name, width)
    for width, names in ((COLUMN, IN_A_COLUMN), (WIDTH, ON_A_PAGE))
    for figure, of_figure in names.items()
    for name in of_figure
]


@pytest.mark.parametrize(("figure", "name", "width"), CASES)
def test_figures_of_one_model(figure: str, name: str, width: float) -> None:
    neurons, layers, _ = model(name)
    assert_readable(FIGURES[figure](neurons, layers, width), width)


@pytest.mark.parametrize("name", ["one layer", "80 layers", "encoder and decoder", "mixture", "no class"])
def test_grids_of_all_layers_fit_a_page(name: str) -> None:
    neurons, layers, _ = model(name)
    assert_readable(cosine_scatter(neurons, layers), WIDTH)


@pytest.mark.parametrize("width", [WIDTH, COLUMN])
@pytest.mark.parametrize("draw", [expert_heatmap, shared_and_routed])
@pytest.mark.parametrize(("layers", "experts", "shared"), [(61, 256, True), (3, 8, False)])
def test_figures_of_experts(draw: Callable[..., Figure], layers: int, experts: int, shared: bool, width: float) -> None:
    assert_readable(draw(expert_layers(layers, experts, shared=shared), vocabulary="rw", width=width), width)


@pytest.mark.parametrize("width", [WIDTH, COLUMN])
@pytest.mark.parametrize("name", ["meta-llama/Llama-3.2-3B", LONG_NAME])
def test_figures_of_frequencies(name: str, width: float) -> None:
    found = frequencies(name)
    table = frequency_table(name, REVISION, DATASET, class_frequencies(found))
    assert bool(table.published) == (name != LONG_NAME)
    assert_readable(frequency_by_class(table, f"{name} @ main (0123456)", width), width)
    assert_readable(frequency_and_cosines(found, DATASET, f"{name} @ main (0123456)", width), width)


@pytest.mark.parametrize("width", [WIDTH, COLUMN])
@pytest.mark.parametrize("names", [["step0", "step200", "main"], [f"step{n}000-tokens{4 * n}B" for n in range(150)]])
def test_the_figure_of_training(names: list[str], width: float) -> None:
    assert_readable(training_shares(*trained(names), width=width), width)


@pytest.mark.parametrize("width", [WIDTH, COLUMN])
def test_the_figure_of_all_models(width: float) -> None:
    made = [tables(name, [block(0, PLAIN if kind == "plain" else FEW)]) for name, kind in published_models()]
    layers, models = (pa.concat_tables(one[index] for one in made) for index in (1, 2))
    figure = median_curves(layers, models, width)
    figure.draw_without_rendering()
    assert figure.get_figwidth() == width
    assert_tidy(figure)


def rows_of(**layers: range) -> list[LayerRow]:
    """Rows of these components without any neurons: enough to lay figures out."""
    none = dict.fromkeys(IO_CLASSES, 0)
    return [LayerRow(layer, name, True, 0, 0, none) for name, numbers in layers.items() for layer in numbers]


@pytest.mark.parametrize(
    ("rows", "numbered"),
    [
        (rows_of(mlp=range(80)), False),
        (rows_of(mlp=range(3), expert=range(3, 92), shared_expert=range(3, 92)), True),
    ],
)
def test_grids_of_very_many_panels(rows: list[LayerRow], numbered: bool) -> None:
    with styled():
        figure, panels = layer_panels(rows, LONG_NAME, "across", "up", "A note.")
        for axes in panels:
            cosine_scale(axes, across=True, up=True)
        assert_readable(figure, WIDTH)
    assert ("The number above a panel is its layer." in texts(figure)) == numbered


@pytest.mark.parametrize("width", [WIDTH, COLUMN])
def test_short_sections_have_room_for_their_names(width: float) -> None:
    made = [block(0, FEW), *(block(layer, FEW, name) for layer in range(1, 61) for name in ("mlp_1", "shared_expert"))]
    layers = tables("org/moe", made)[1]
    empty = [LayerQuantiles(row, {}) for row in layer_rows(layers)]
    assert_readable(cosine_boxes(empty, layers, width=width), width)


def test_untidy_figures_are_found() -> None:
    """The helper itself: a text over a panel, one outside the canvas, and two over each other."""
    for x, y, words, wrong in (
        (0.3, 0.5, "in the way", "over a panel"),
        (0.97, 0.02, "too far right", "outside the canvas"),
        (0.2, 0.95, "a second heading", "over each other"),
    ):
        figure = class_bars(model("16 layers")[1])
        figure.text(x, y, words)
        with pytest.raises(AssertionError, match=wrong):
            assert_tidy(figure)
