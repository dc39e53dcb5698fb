"""How a model, its revision and its profile are named."""

import pytest

from gated_ray.errors import InputError
from gated_ray.reports.comparison.sides import Side, one_side, other_side, published_model, sides_named

COMMIT = "0123456789abcdef0123456789abcdef01234567"
STEP0 = Side("org/run", "local-aaaaaaaaaaaa", "paper", "step0", "paper")
STEP0_RESIDUAL = Side("org/run", "local-aaaaaaaaaaaa", "residual", "step0", "residual")
MAIN = Side("org/run", COMMIT, "paper", "main", "paper")
PULL = Side("org/runs", COMMIT, "paper-exact", "refs/pr/7", "paper")
ODD = Side("odd@name:1", "local-bbbbbbbbbbbb", "paper", None, "paper")
ALL = [STEP0, STEP0_RESIDUAL, MAIN, PULL, ODD]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("org/run", [STEP0, MAIN]),
        ("org/run@step0", [STEP0]),
        ("org/run@local-aaaaaaaaaaaa", [STEP0]),
        ("org/run@aaaaaaa", [STEP0]),
        ("org/run@0123456", [MAIN]),
        (f"org/run@{COMMIT}:paper", [MAIN]),
        ("org/run:residual", [STEP0_RESIDUAL]),
        ("org/run@step0:residual", [STEP0_RESIDUAL]),
        ("org/runs:paper-exact", [PULL]),
        ("org/runs@refs/pr/7:paper-exact", [PULL]),
        ("odd@name:1", [ODD]),
        ("odd@name:1@bbbbbbb:paper", [ODD]),
    ],
)
def test_names(text: str, found: list[Side]) -> None:
    assert sides_named(ALL, text, "paper") == found


@pytest.mark.parametrize(
    "text", ["org/runs", "org/run@step", "org/run@01234", "org/run@main:residual", "org", "run", ""]
)
def test_what_is_not_there_is_refused_with_what_is(text: str) -> None:
    with pytest.raises(InputError, match=r"not in the store.*; there: o"):
        sides_named(ALL, text, "paper")


def test_the_other_side_is_as_the_first_where_it_says_nothing() -> None:
    assert other_side(ALL, "@main", STEP0) == MAIN
    assert other_side(ALL, ":residual", STEP0) == STEP0_RESIDUAL
    assert other_side(ALL, ":paper", STEP0_RESIDUAL) == STEP0
    assert other_side(ALL, "odd@name:1", STEP0) == ODD
    with pytest.raises(InputError, match="not in the store under profile residual"):
        other_side(ALL, "@main", STEP0_RESIDUAL)


def test_several_are_not_one() -> None:
    with pytest.raises(
        InputError, match=r"model=org/run is several: org/run@step0:paper, org/run@main:paper; name one"
    ):
        one_side(ALL, "model", "org/run", "paper")


def test_published_tables_are_named() -> None:
    assert published_model("published") == ""
    assert published_model("published:Qwen/Qwen2.5-0.5B") == "Qwen/Qwen2.5-0.5B"
    assert published_model("org/published") is None
    assert published_model("publishedx") is None


def test_how_a_side_is_written() -> None:
    assert str(STEP0) == "org/run @ step0 (aaaaaaa), paper"
    assert str(ODD) == "odd@name:1 @ bbbbbbb, paper"
    assert sides_named(ALL, STEP0.reference, "other") == [STEP0]
