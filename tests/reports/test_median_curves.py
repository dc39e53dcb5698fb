import itertools

import numpy as np
import pyarrow as pa
import pytest
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from gated_ray.errors import InputError
from gated_ray.reports.depth_curves import depth_curves
from gated_ray.reports.figures import COLUMN, median_curves
from gated_ray.reports.published_tables import models as published_models
from gated_ray.vocabulary import IO_CLASSES, PLAIN_CLASSES
from tests.reports.synthetic import Tables, block, tables

GATED = dict.fromkeys(IO_CLASSES, 3)
PLAIN = dict.fromkeys(PLAIN_CLASSES, 11)


def model(name: str, layers: int, counts: dict[str, int] = GATED, **options: str) -> Tables:
    made = [block(layer, counts, shift=0.3 * np.sin(layer + len(name))) for layer in range(layers)]
    return tables(name, made, **options)


def joined(*several: Tables) -> tuple[pa.Table, pa.Table]:
    return pa.concat_tables(one[1] for one in several), pa.concat_tables(one[2] for one in several)


def curves(axes: Axes) -> dict[str, Line2D]:
    return {line.get_label(): line for line in axes.lines if not str(line.get_label()).startswith("_")}


def test_a_line_is_the_medians_against_relative_depth() -> None:
    first, second = model("org/a", 5), model("org/b", 3)
    (axes,) = median_curves(*joined(first, second)).axes
    drawn = curves(axes)
    assert set(drawn) == {"org/a", "org/b"}
    np.testing.assert_array_equal(drawn["org/a"].get_xdata(), [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_array_equal(drawn["org/b"].get_xdata(), [0, 0.5, 1])
    for name, (_, layers, _) in (("org/a", first), ("org/b", second)):
        np.testing.assert_array_equal(drawn[name].get_ydata(), layers["cos_in_out_median"].to_numpy())


def test_the_order_of_rows_does_not_matter() -> None:
    layers, models = joined(model("org/a", 5), model("org/b", 3))
    shuffled = layers.take(np.random.default_rng(0).permutation(layers.num_rows))
    assert depth_curves(shuffled, models) == depth_curves(layers, models)


def test_gated_and_plain_models_have_panels_of_their_own_on_one_scale() -> None:
    gated, plain = median_curves(*joined(model("org/a", 4), model("gpt2", 4, PLAIN))).axes
    assert (list(curves(gated)), list(curves(plain))) == (["org/a"], ["gpt2"])
    assert gated.get_ylim() == plain.get_ylim()


def test_revisions_of_one_model_are_told_apart() -> None:
    layers, models = joined(
        model("org/a", 3, revision="0123456789" * 4),
        model("org/a", 3, revision="local-abcdefabcdef"),
        model("org/b", 2),
    )
    labels = [curve.label for curve in depth_curves(layers, models)]
    assert labels == ["org/a @ 0123456", "org/a @ abcdefa", "org/b"]


def test_revisions_are_named_as_they_were_asked_for_unless_that_is_ambiguous() -> None:
    revisions = {"step1": "local-aaaaaaaaaaaa", "step2": "local-bbbbbbbbbbbb"}
    layers, models = joined(*(model("runs", 2, revision=revision) for revision in revisions.values()))
    place = models.schema.get_field_index("requested_revision")

    def labels(asked: list[str | None]) -> list[str]:
        named = models.set_column(place, models.schema.field(place), pa.array(asked, pa.string()))
        return [curve.label for curve in depth_curves(layers, named)]

    assert labels(["step1", "step2"]) == ["runs @ step1", "runs @ step2"]
    assert labels(["main", "main"]) == labels([None, None]) == ["runs @ aaaaaaa", "runs @ bbbbbbb"]


def test_an_encoder_and_its_decoder_have_a_line_each() -> None:
    made = [block(layer, PLAIN, stack) for stack in ("encoder_mlp", "decoder_mlp") for layer in range(3)]
    assert [(c.label, c.depths) for c in depth_curves(*tables("t5", made)[1:])] == [
        ("t5 decoder", (0, 0.5, 1)),
        ("t5 encoder", (0, 0.5, 1)),
    ]


def test_experts_count_by_their_neurons() -> None:
    small, large = block(0, GATED, "expert", 0), block(0, dict.fromkeys(IO_CLASSES, 9), "expert", 1)
    _, layers, models = tables("org/moe", [small, large])
    medians = layers["cos_in_out_median"].to_pylist()
    (curve,) = depth_curves(layers, models)
    assert medians[0] != medians[1]
    assert curve.medians == (pytest.approx((medians[0] + 3 * medians[1]) / 4),)
    assert curve.depths == (0.0,)


def test_a_layer_without_any_cosine_is_a_gap() -> None:
    made = [block(0, GATED), block(1, dict.fromkeys(IO_CLASSES, 0), without_cosine=3), block(2, GATED)]
    (axes,) = median_curves(*tables("org/a", made)[1:]).axes
    np.testing.assert_array_equal(np.isnan(curves(axes)["org/a"].get_ydata()), [False, True, False])


def test_a_model_that_the_models_table_lacks_is_named_by_its_key() -> None:
    _, layers, models = model("org/a", 2)
    assert depth_curves(layers, models.slice(0, 0))[0].label == "org/a"


def test_several_profiles_and_no_layers_are_refused() -> None:
    layers, models = joined(model("org/a", 2), model("org/a", 2, profile="residual"))
    with pytest.raises(InputError, match="paper, residual"):
        median_curves(layers, models)
    with pytest.raises(InputError, match="no rows"):
        median_curves(layers.slice(0, 0), models)


def test_a_column_has_its_key_below_and_one_look_a_model() -> None:
    figure = median_curves(*joined(model("org/a", 4), model("org/b", 3), model("gpt2", 4, PLAIN)), width=COLUMN)
    assert [set(curves(axes)) for axes in figure.axes] == [{"org/a", "org/b"}, {"gpt2"}]
    (key,) = figure.legends
    shown = {text.get_text(): line.get_color() for text, line in zip(key.get_texts(), key.get_lines(), strict=True)}
    drawn = {name: line.get_color() for axes in figure.axes for name, line in curves(axes).items()}
    assert shown == drawn
    assert len(set(shown.values())) == 3


def test_a_model_without_cosines_is_said_to_have_none() -> None:
    none = tables("org/null", [block(0, dict.fromkeys(IO_CLASSES, 0), without_cosine=3)])
    (axes,) = median_curves(*joined(model("org/a", 3), none)).axes
    assert {text.get_text() for text in axes.texts} == {"org/a", "org/null (no cosines)"}


def test_36_models_have_looks_of_their_own_and_labels_that_do_not_overlap() -> None:
    made = [model(name, 3 + len(name) % 5, GATED if kind == "gated" else PLAIN) for name, kind in published_models()]
    figure = median_curves(*joined(*made))
    figure.canvas.draw()
    for axes, expected in zip(figure.axes, (12, 24), strict=True):
        looks = {
            (line.get_color(), str(line.get_linestyle()), line.is_dashed(), str(line._dash_pattern))
            for line in curves(axes).values()
        }
        assert len(looks) == expected
        boxes = [text.get_window_extent() for text in axes.texts]
        assert sorted(text.get_text() for text in axes.texts) == sorted(curves(axes))
        assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
        assert all(box.x0 > axes.get_window_extent().x1 and box.x1 <= figure.bbox.x1 for box in boxes)
        assert all(figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1 for box in boxes)


def test_a_label_stands_in_the_order_of_the_curves_ends_beside_a_sample_of_its_line() -> None:
    (axes,) = median_curves(*joined(*(model(f"org/{'x' * n}", 4) for n in range(1, 12)))).axes
    drawn = curves(axes)
    from_top = sorted(axes.texts, key=lambda text: -text.get_position()[1])
    ends = [drawn[text.get_text()].get_ydata()[-1] for text in from_top]
    assert ends == sorted(ends, reverse=True)
    for text in from_top:
        height = text.get_position()[1]
        beside = [
            line for line in axes.lines if list(line.get_ydata()) == [height, height] and line.get_linewidth() > 1
        ]
        assert [line.get_color() for line in beside] == [drawn[text.get_text()].get_color()]


@pytest.mark.parametrize("end", [-0.4, 0.0, 0.4])
def test_labels_of_curves_that_end_together_are_spread_beside_the_axes(end: float) -> None:
    same = [tables(f"org/{n}", [block(0, GATED), block(1, GATED, shift=end)]) for n in range(14)]
    figure = median_curves(*joined(*same))
    (axes,) = figure.axes
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in axes.texts]
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    heights = [text.get_position()[1] for text in axes.texts]
    assert min(heights) >= 0
    assert max(heights) <= 1
    low, high = axes.get_ylim()
    ends = (same[0][1]["cos_in_out_median"][1].as_py() - low) / (high - low)
    assert min(heights) - 0.05 <= ends <= max(heights) + 0.05


def test_labels_stand_at_the_ends_of_their_curves_where_there_is_room() -> None:
    apart = [
        tables(f"org/{n}", [block(0, GATED), block(1, GATED, shift=end)]) for n, end in enumerate((-0.4, 0.0, 0.4))
    ]
    (axes,) = median_curves(*joined(*apart)).axes
    low, high = axes.get_ylim()
    for text in axes.texts:
        end = curves(axes)[text.get_text()].get_ydata()[-1]
        assert text.get_position()[1] == pytest.approx((end - low) / (high - low))


def test_means_of_medians_are_told() -> None:
    simple = model("org/a", 2)
    assert not any(text.get_text() for text in median_curves(*joined(simple)).texts)
    shared = tables("org/moe", [block(0, GATED), block(1, GATED, "expert", 0), block(1, GATED, "shared_expert")])
    figure = median_curves(*joined(simple, shared))
    (note,) = figure.texts
    assert "the mean of their medians, weighted by neurons" in note.get_text()
    figure.canvas.draw()
    box = note.get_window_extent()
    assert figure.bbox.x0 <= box.x0
    assert box.x1 <= figure.bbox.x1
    assert not any(box.overlaps(axes.get_tightbbox(for_layout_only=True)) for axes in figure.axes)
