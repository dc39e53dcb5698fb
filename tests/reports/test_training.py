"""Revisions stand in the order of training, and their bars hold the whole model's shares."""

import pyarrow as pa
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from gated_ray.errors import InputError
from gated_ray.reports.figures import training_shares
from gated_ray.reports.revisions import ordered_revisions, step_of
from tests.reports.layout import texts
from tests.reports.models import FEW, trained


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("step0", (0, 0)),
        ("step143000", (0, 143000)),
        ("step1000-tokens4B", (0, 1000)),
        ("stage2-ingredient3-step9000-tokens19B", (2, 9000)),
        ("checkpoint-500", (0, 500)),
        ("ckpt_7", (0, 7)),
        ("iter_0005000", (0, 5000)),
        ("global_step12", (0, 12)),
        ("2000", (0, 2000)),
        ("main", None),
        ("v1.0", None),
        ("refs/pr/7", None),
        ("0123456789abcdef", None),
    ],
)
def test_the_step_that_a_name_holds(name: str, step: tuple[int, int] | None) -> None:
    assert step_of(name) == step


def labels(names: list[str]) -> tuple[list[str], str]:
    order, words = ordered_revisions(trained(names)[1], "allenai/OLMo-1B")
    return [revision.label for revision in order], words


def test_steps_come_by_number_and_what_has_none_last_by_name() -> None:
    found, words = labels(["step1000", "main", "step20", "final", "step3"])
    assert found == ["step3", "step20", "step1000", "final", "main"]
    assert words == "In the order of the steps that revisions are named by; last, by name, those without: final, main."
    assert labels(["stage2-step5", "stage1-step90"]) == (
        ["stage1-step90", "stage2-step5"],
        "In the order of the steps that revisions are named by.",
    )
    assert labels(["main", "dev"]) == (
        ["dev", "main"],
        "In the order of their names: no revision is named by its step.",
    )


def test_a_revision_that_was_not_asked_for_by_name_has_its_digits() -> None:
    models = trained(["step1", "step2"])[1]
    place = models.schema.get_field_index("requested_revision")
    models = models.set_column(place, models.schema.field(place), pa.array([None, "step2"], pa.string()))
    order, _ = ordered_revisions(models, "allenai/OLMo-1B")
    assert [revision.label for revision in order] == ["step2", "0000000"]


def tops(figure: Figure, io_class: str) -> list[float]:
    """The height of a class's bar at each revision, from left to right."""
    (bars,) = [
        each for each in figure.axes[0].collections if isinstance(each, PolyCollection) and each.get_label() == io_class
    ]
    return [path.get_extents().height for path in bars.get_paths()]


def test_a_bar_is_the_share_of_the_whole_model_at_its_revision() -> None:
    names = ["step30", "step4", "main"]
    layers, models = trained(names)
    figure = training_shares(layers, models)
    others = sum(count for name, count in FEW.items() if name != "depletion")
    depletion = [2, 1, 3]  # of step4, step30 and main
    assert tops(figure, "depletion") == pytest.approx([count / (count + others) for count in depletion])
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["step4", "step30", "main"]
    assert "last, by name, those without: main" in texts(figure)


def test_many_long_names_stand_upright_and_some_are_left_out() -> None:
    names = [f"step{n}-tokens{4 * n}B" for n in range(100)]
    ticks = training_shares(*trained(names)).axes[0].get_xticklabels()
    assert 10 < len(ticks) < 60
    assert {tick.get_rotation() for tick in ticks} == {90}
    assert ticks[0].get_text() == "step0-tokens0B"


def test_two_models_are_refused() -> None:
    layers, models = trained(["step1", "step2"])
    with pytest.raises(InputError, match="no rows"):
        training_shares(layers.slice(0, 0), models)
