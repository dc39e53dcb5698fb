"""A class table against the published one: equal only if every published layer and class is there, and nothing besides."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from gated_ray.errors import InputError
from gated_ray.reports.comparison.published import Cell, compare_with_published, layer_words
from gated_ray.reports.published_tables import class_counts, models, published_name
from gated_ray.store.schemas import LAYERS
from gated_ray.vocabulary import IO_CLASSES, PLAIN_CLASSES
from tests.reports.synthetic import REVISION

QWEN = "Qwen/Qwen2.5-0.5B"
Row = dict[str, Any]


def rows(model: str) -> list[Row]:
    """Rows of a layers table that hold the published numbers; the classes that a plain block lacks are null."""
    place = {"component": "mlp", "model_name": model, "model_revision": REVISION, "profile_name": "paper"}
    made = []
    for layer, counts in class_counts(model).items():
        facts = {"gated": len(counts) > 3, "neurons": sum(counts.values()), "neurons_without_cosine": 0}
        made.append({**place, **facts, "layer": layer, **counts})
    return made


def table(made: list[Row]) -> pa.Table:
    return pa.Table.from_pylist(made, schema=LAYERS)


@pytest.mark.parametrize("model", [QWEN, "google/gemma-2-9b", "EleutherAI/pythia-14m", "gpt2-xl"])
def test_the_published_numbers_are_equal_to_themselves_in_any_order(model: str) -> None:
    found = compare_with_published(table(rows(model)[::-1]), model)
    assert found.equal
    layers, classes = len(class_counts(model)), len(class_counts(model)[0])
    assert found.verdict.startswith(f"equal to the published table of {model} ({layers} layers, {classes} classes, ")


def test_every_published_model_can_be_compared() -> None:
    assert all(compare_with_published(table(rows(model)), model).equal for model, _ in models())


def moved(made: list[Row]) -> None:
    made[7]["depletion"] += 1
    made[7]["orthogonal_output"] -= 1


def renumbered(made: list[Row]) -> None:
    made[23]["layer"] = 24


def doubled(made: list[Row]) -> None:
    made.append(made[5] | {"component": "shared_expert"})


DIFFERENCES: dict[str, tuple[Callable[[list[Row]], object], str]] = {
    "one cell": (lambda made: made[3].update(enrichment=made[3]["enrichment"] + 1), "1 of 264 cells"),
    "a neuron that moved": (moved, "2 of 264 cells"),
    "a layer that is missing": (lambda made: made.pop(23), "layer 23 missing"),
    "layers that are missing": (lambda made: [made.pop(4) for _ in range(3)], "layers 4-6 missing"),
    "a layer too many": (lambda made: made.append(made[0] | {"layer": 24}), "layer 24 not published"),
    "another number for a layer": (renumbered, "layer 23 missing; layer 24 not published"),
    "a class that is missing": (lambda made: [row.update(depletion=None) for row in made], "depletion missing"),
    "a class that a layer lacks": (lambda made: made[9].update(depletion=None), "depletion missing in layer 9"),
    "neurons without a class": (lambda made: made[2].update(neurons_without_cosine=3), "3 neurons without a class"),
    "several MLPs": (doubled, "several MLPs where one was published, in layer 5"),
}


@pytest.mark.parametrize("case", DIFFERENCES)
def test_what_differs_is_named(case: str) -> None:
    change, words = DIFFERENCES[case]
    made = rows(QWEN)
    change(made)
    found = compare_with_published(table(made), QWEN)
    assert not found.equal
    assert found.verdict == f"differs from the published table of {QWEN}: {words}"


@pytest.mark.parametrize("layer", [0, 11, 23])
@pytest.mark.parametrize("io_class", IO_CLASSES)
def test_any_single_cell_is_found_with_both_numbers(layer: int, io_class: str) -> None:
    made = rows(QWEN)
    published = made[layer][io_class]
    made[layer][io_class] = published + 2
    assert compare_with_published(table(made), QWEN).cells == (Cell(layer, io_class, published, published + 2),)


def test_a_plain_block_where_gated_ones_were_published_lacks_classes() -> None:
    made = [{**row, **dict.fromkeys(set(IO_CLASSES) - set(PLAIN_CLASSES))} for row in rows(QWEN)]
    found = compare_with_published(table(made), QWEN)
    assert not found.equal
    assert [words for words in found.missing if words.endswith(" missing")] == [
        f"{name} missing" for name in class_counts(QWEN)[0] if name not in PLAIN_CLASSES
    ]


def test_a_gated_block_where_plain_ones_were_published_has_classes_too_many() -> None:
    made = rows("EleutherAI/pythia-14m")
    for row in made:
        row["conditional_depletion"] = 0
    found = compare_with_published(table(made), "EleutherAI/pythia-14m")
    assert found.missing == ("conditional_depletion not published",)


def test_an_encoder_and_its_decoder_are_numbered_through() -> None:
    made = rows("google-t5/t5-small")
    for row in made:
        row["component"] = "encoder_mlp" if row["layer"] < 6 else "decoder_mlp"
        row["layer"] %= 6
    assert compare_with_published(table(made), "google-t5/t5-small").equal
    made[8]["depletion"] += 1
    (cell,) = compare_with_published(table(made), "google-t5/t5-small").cells
    assert cell.layer == 8


def test_a_model_that_was_not_published_is_refused() -> None:
    with pytest.raises(InputError, match="org/model: no published class counts"):
        compare_with_published(table(rows(QWEN)), "org/model")


def test_models_are_found_by_their_names_on_the_hub() -> None:
    assert published_name("openai-community/gpt2") == "gpt2-small"
    assert published_name("gpt2-small") == "gpt2-small"
    assert published_name(QWEN) == QWEN
    assert published_name("org/model") is None


def test_layers_in_words() -> None:
    assert layer_words({3}) == "layer 3"
    assert layer_words({9, 3, 4, 5}) == "layers 3-5, 9"
