"""Components, whatever stacks and MLPs a model has: their words, their stack, and the order in which reports show them."""

import pytest

from gated_ray.reports.class_table import class_table, to_markdown
from gated_ray.reports.layer_rows import component_words, layer_rows, stack_of
from gated_ray.vocabulary import IO_CLASSES
from tests.reports.synthetic import block, tables

COUNTS = dict.fromkeys(IO_CLASSES, 2)


@pytest.mark.parametrize(
    ("component", "words", "stack"),
    [
        ("mlp", "MLP", ""),
        ("mlp_1", "MLP 1", ""),
        ("expert", "experts", ""),
        ("shared_expert", "shared expert", ""),
        ("vision_expert", "vision experts", ""),
        ("encoder_mlp", "encoder MLP", "encoder"),
        ("decoder_expert", "decoder experts", "decoder"),
        ("decoder_shared_expert", "decoder shared expert", "decoder"),
        ("l_mlp", "l MLP", "l"),
        ("encoder_mlp_0", "encoder MLP 0", "encoder"),
    ],
)
def test_names(component: str, words: str, stack: str) -> None:
    assert (component_words(component), stack_of(component)) == (words, stack)


def test_stacks_one_after_the_other_and_mlps_before_experts() -> None:
    names = ["decoder_expert", "shared_expert", "mlp_10", "encoder_mlp", "expert", "mlp_2", "decoder_mlp"]
    made = [block(layer, COUNTS, name, 0 if name.endswith("expert") else None) for layer in (1, 0) for name in names]
    rows = layer_rows(tables("org/odd", made)[1])
    assert [(row.component, row.layer) for row in rows] == [
        *(("encoder_mlp", layer) for layer in (0, 1)),
        *((f"decoder_{kind}", layer) for layer in (0, 1) for kind in ("mlp", "expert")),
        *((name, layer) for layer in (0, 1) for name in ("mlp_2", "mlp_10", "expert", "shared_expert")),
    ]


def test_experts_of_a_layer_are_one_row_and_nothing_counts_twice() -> None:
    made = [block(0, COUNTS)]
    made += [block(1, COUNTS, "expert", number) for number in range(5)] + [block(1, COUNTS, "shared_expert")]
    table = class_table(tables("org/moe", made)[1])
    assert [(row.layer, row.component, row.neurons) for row in table.rows] == [
        (0, "mlp", 22),
        (1, "expert", 5 * 22),
        (1, "shared_expert", 22),
    ]
    assert table.totals() == [7 * 2] * len(IO_CLASSES)
    assert "| 1 | experts | 10 |" in to_markdown(table)
