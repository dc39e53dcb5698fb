import csv
from importlib.resources import files

import pytest

from gated_ray.errors import InputError
from gated_ray.reports import published_tables
from gated_ray.reports.class_names import CLASS_ORDER
from gated_ray.vocabulary import IO_CLASSES, PLAIN_CLASSES


def test_twelve_gated_and_twenty_four_plain_models() -> None:
    kinds = [kind for _, kind in published_tables.models()]
    assert (kinds.count("gated"), kinds.count("plain")) == (12, 24)


def test_counts_of_a_gated_model() -> None:
    counts = published_tables.class_counts("Qwen/Qwen2.5-0.5B")
    assert sorted(counts) == list(range(24))
    assert all(set(classes) == set(IO_CLASSES) for classes in counts.values())
    assert {sum(classes.values()) for classes in counts.values()} == {4864}
    assert counts[23]["proportional_change"] == 571
    assert counts[23]["atypical_depletion"] == 54


def test_the_order_of_classes_is_the_published_one() -> None:
    assert set(CLASS_ORDER) == set(IO_CLASSES)
    assert list(published_tables.class_counts("google/gemma-2-2b")[0]) == list(CLASS_ORDER)


def test_every_model_has_the_classes_of_its_kind_and_equal_layers() -> None:
    for name, kind in published_tables.models():
        counts = published_tables.class_counts(name)
        expected = set(IO_CLASSES if kind == "gated" else PLAIN_CLASSES)
        assert sorted(counts) == list(range(len(counts)))
        assert all(set(classes) == expected for classes in counts.values())
        assert len({sum(classes.values()) for classes in counts.values()}) == 1, name


def test_the_caller_cannot_change_what_the_next_one_gets() -> None:
    published_tables.class_counts("distilgpt2")[0]["enrichment"] = -1
    assert published_tables.class_counts("distilgpt2")[0]["enrichment"] >= 0


def test_an_unpublished_model_is_named() -> None:
    with pytest.raises(InputError, match="org/unknown"):
        published_tables.class_counts("org/unknown")


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("cosine_histograms_plain.csv", ["model", "layer", "bin_low", "neurons"]),
        ("activation_frequency.csv", ["model", "io_class", "freq_gate_positive", "freq_random_same_layers"]),
    ],
)
def test_the_other_published_tables_ship_with_the_package(name: str, columns: list[str]) -> None:
    text = files("gated_ray.reports").joinpath("published", name).read_text()
    assert next(csv.reader(text.splitlines())) == columns
