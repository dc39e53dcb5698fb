"""Transitions count every neuron once, by its place, and models of other shapes are refused by name."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from gated_ray.errors import InputError
from gated_ray.reports.comparison.transitions import (
    NO_CLASS,
    STATES,
    ReadLayer,
    Transitions,
    class_transitions,
    moved,
    require_same_shape,
)
from gated_ray.vocabulary import IO_CLASSES, PLAIN_CLASSES
from tests.reports.synthetic import Block, block, tables

COUNTS = dict.fromkeys(IO_CLASSES, 4)
MOE = [block(0, COUNTS), *(block(1, COUNTS, "expert", n) for n in range(3)), block(1, COUNTS, "shared_expert")]


def reader(neurons: pa.Table, seed: int) -> ReadLayer:
    """Reads a layer's rows in some order."""
    order = np.random.default_rng(seed).permutation(neurons.num_rows)
    shuffled = neurons.take(order)
    return lambda row: shuffled.filter((pc.field("layer") == row.layer) & (pc.field("component") == row.component))


def transitions(before: list[Block], after: list[Block]) -> Transitions:
    (neurons, layers, _), (others, other_layers, _) = tables("org/a", before), tables("org/b", after)
    require_same_shape(layers, other_layers)
    return class_transitions(layers, reader(neurons, 1), reader(others, 2))


def reclassed(made: list[Block], number: int, neuron: int, io_class: str | None) -> list[Block]:
    """A copy in which one neuron of one block has another class."""
    classes = list(made[number]["io_class"])
    classes[neuron] = io_class
    return [*made[:number], made[number] | {"io_class": classes}, *made[number + 1 :]]


def test_every_neuron_counts_once_from_its_class_to_its_other_class() -> None:
    rng = np.random.default_rng(0)
    after = [one | {"io_class": [str(rng.choice(IO_CLASSES)) for _ in one["io_class"]]} for one in MOE]
    found = transitions(MOE, after)
    expected = Counter(
        (old, new)
        for one, other in zip(MOE, after, strict=True)
        for old, new in zip(one["io_class"], other["io_class"], strict=True)
    )
    total = found.total
    for i, old in enumerate(STATES):
        for j, new in enumerate(STATES):
            assert total[i, j] == expected[old, new]
    assert total.sum() == 5 * 44
    assert moved(total) == sum(count for (old, new), count in expected.items() if old != new)
    assert [(row.layer, row.component, counts.sum()) for row, counts in found.layers] == [
        (0, "mlp", 44),
        (1, "expert", 3 * 44),
        (1, "shared_expert", 44),
    ]


def test_a_model_against_itself_has_nothing_off_the_diagonal() -> None:
    found = transitions(MOE, MOE)
    assert moved(found.total) == 0
    assert np.trace(found.total) == 5 * 44


def test_one_neuron_of_one_expert_is_found() -> None:
    old = MOE[2]["io_class"][5]
    new = "depletion" if old != "depletion" else "enrichment"
    found = transitions(MOE, reclassed(MOE, 2, 5, new))
    assert [moved(counts) for _, counts in found.layers] == [0, 1, 0]
    assert found.total[STATES.index(old), STATES.index(new)] == 1


def test_neurons_that_lose_their_class_are_counted_apart() -> None:
    found = transitions(MOE, reclassed(MOE, 0, 0, None))
    assert found.states[-1] == NO_CLASS
    assert found.total[STATES.index(MOE[0]["io_class"][0]), STATES.index(NO_CLASS)] == 1
    assert NO_CLASS not in transitions(MOE, MOE).states


def test_plain_models_have_three_classes() -> None:
    plain = [block(0, dict.fromkeys(PLAIN_CLASSES, 3))]
    assert transitions(plain, plain).states == list(PLAIN_CLASSES)
    assert transitions(MOE, MOE).states == list(STATES[:-1])


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ([block(0, COUNTS)], "layers differ: only one of both has layer 1"),
        ([*MOE, block(2, COUNTS)], "layers differ: only one of both has layer 2"),
        (MOE[:-1], "components differ: only one of both has layer 1 shared_expert"),
        ([*MOE, block(1, COUNTS, "expert", 3)], "experts differ: only one of both has layer 1 expert 3"),
        (
            [MOE[0], block(1, COUNTS | {"depletion": 9}, "expert", 0), *MOE[2:]],
            "neurons differ: layer 1 expert 0 has 44 in one and 49 in the other",
        ),
    ],
)
def test_other_shapes_are_refused_by_name(other: list[Block], words: str) -> None:
    with pytest.raises(InputError, match=words):
        require_same_shape(tables("org/a", MOE)[1], tables("org/b", other)[1])


def test_rows_that_do_not_correspond_are_refused() -> None:
    neurons, layers, _ = tables("org/a", [block(0, COUNTS)])
    place = neurons.schema.get_field_index("neuron")
    shifted = neurons.set_column(place, neurons.schema.field(place), pc.add(neurons["neuron"], 1).cast(pa.int32()))
    with pytest.raises(InputError, match="neurons differ: layer 0 mlp does not have the same ones in both"):
        class_transitions(layers, reader(neurons, 1), reader(shifted, 2))
