"""Activations: what the store has, and the texts of the strongest examples, against a slow and plain way to find them."""

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from gated_ray.reports.atlas.activity import activity_of
from gated_ray.reports.atlas.example_files import AFTER, BEFORE, EXAMPLE_COLUMNS, RANKS, TOP, example_file
from gated_ray.reports.atlas.pieces import LETTERS, NO_PIECES, read_pieces
from gated_ray.vocabulary import QUADRANTS
from tests.reports.atlas.made_up import REVISION, MadeUpBlock
from tests.reports.atlas.made_up_activity import DATASET, ActiveStore, activity_tables, tokens_table
from tests.reports.atlas.sites import DENSE, LLAMA, Site
from tests.reports.atlas.test_data_files import numbers

PLACE = (DENSE, REVISION, "paper")
SMALL = [MadeUpBlock(0, {**dict.fromkeys(LLAMA[0], 0), "orthogonal_output": 7})]
DOCUMENTS = ["one two three", "a b a b a b a b a b " * 8, "so it goes " * 20, None]


def test_a_store_without_activations_has_nothing(site: Site) -> None:
    assert activity_of(site.store, *PLACE) == []
    assert activity_of(ActiveStore(site.store, {}), *PLACE) == []
    assert activity_of(ActiveStore(site.store, site.tables), "org/plain", REVISION, "paper") == []


def test_what_there_is_is_found_by_dataset(site: Site) -> None:
    (found,) = activity_of(ActiveStore(site.store, site.tables), *PLACE)
    assert found.dataset == DATASET
    assert found.activations.to_table()["model_name"].unique().to_pylist() == [DENSE]
    assert found.examples is not None
    assert found.tokens is not None


def test_examples_and_texts_may_be_missing(site: Site) -> None:
    (found,) = activity_of(ActiveStore(site.store, {"activations": site.tables["activations"]}), *PLACE)
    assert (found.examples, found.tokens) == (None, None)


def test_texts_are_those_of_the_models_own_tokenizer(site: Site) -> None:
    tokens = site.tables["tokens"]
    place = tokens.column_names.index("tokenizer_digest")
    other = tokens.set_column(place, tokens.schema.field(place), pa.repeat("ba9876543210", tokens.num_rows))
    both = {**site.tables, "tokens": pa.concat_tables([other, tokens])}
    (found,) = activity_of(ActiveStore(site.store, both), *PLACE)
    assert found.tokens is not None
    assert found.tokens.to_table()["tokenizer_digest"].unique().to_pylist() == [found.tokenizer]
    (found,) = activity_of(ActiveStore(site.store, {**site.tables, "tokens": other}), *PLACE)
    assert found.tokens is None


def test_other_errors_than_nothing_there_are_not_hidden() -> None:
    class Broken:
        def activation_models(self) -> pa.Table:
            raise OSError("the disk is on fire")

    with pytest.raises(OSError, match="on fire"):
        activity_of(Broken(), *PLACE)


def test_pieces_are_the_texts_of_tokens() -> None:
    table = tokens_table(["ab c", None, "x" * 500])
    shuffled = table.take([2, 0, 1])
    for each in (table, shuffled):
        pieces = read_pieces(ds.dataset(each))
        words = [pieces.words[code] for code in pieces.codes]
        assert pieces.documents.tolist() == [0, 1, 2]
        assert words[:3] == [0, "ab", " c"]  # the special token has no text but its number
        assert all(isinstance(word, int) for word in words[3 : pieces.ends[2]])
        assert words[-1] == "x" * (LETTERS - 1) + "…"
        places, first, last = pieces.places(np.array([0, 2, 2, 9]), np.array([2, 1, 2, 0]))
        assert places.tolist() == [2, int(pieces.ends[2]) + 1, -1, -1]
        assert (last - first).tolist() == [3, 2, 0, 0]


def decoded(file: dict[str, Any], count: int) -> list[list[dict[str, Any]]]:
    """By neuron and quadrant the windows shown and the top tokens."""
    windows = file["windows"]
    lengths = numbers(windows["length"], "u1").astype(int)
    ends = np.cumsum(lengths)
    tokens = [file["words"][token] for token in numbers(windows["tokens"], "<u2")]
    shown = numbers(file["shown"][0], "<u2").reshape(count, 4, RANKS)
    top = [numbers(column, "<u2").reshape(count, 4, TOP) for column in file["top"]]
    peaks, documents, positions = (
        numbers(windows[name], kind) for name, kind in (("peak", "u1"), ("document", "<f8"), ("position", "<u4"))
    )
    found = []
    for neuron in range(count):
        found.append([])
        for quadrant in range(4):
            mine = [index for index in shown[neuron, quadrant] if index != 0xFFFF]
            found[-1].append(
                {
                    "windows": [
                        (int(documents[i]), int(positions[i]), int(peaks[i]), tokens[ends[i] - lengths[i] : ends[i]])
                        for i in mine
                    ],
                    "top": [
                        (file["words"][word], int(n))
                        for word, n in zip(top[0][neuron, quadrant], top[1][neuron, quadrant], strict=True)
                        if word != 0xFFFF
                    ],
                }
            )
    return found


def test_examples_are_what_a_plain_search_finds() -> None:
    tables = activity_tables(DENSE, SMALL, DOCUMENTS)
    tokens = read_pieces(ds.dataset(tables["tokens"]))
    examples = tables["examples"].filter(pa.compute.equal(tables["examples"]["quantity"].cast(pa.string()), "post"))
    file = example_file(examples.select(EXAMPLE_COLUMNS), examples["neuron"].to_numpy().astype(np.int64), 7, tokens)
    words = {
        document: [tokens.words[code] for code in tokens.codes[tokens.ends[row] : tokens.ends[row + 1]]]
        for row, document in enumerate(tokens.documents.tolist())
    }
    rows = examples.to_pylist()
    for neuron, quadrants in enumerate(decoded(file, 7)):
        for quadrant, found in zip(QUADRANTS, quadrants, strict=True):
            mine = sorted(
                (row for row in rows if (row["neuron"], row["quadrant"]) == (neuron, quadrant)),
                key=lambda row: row["rank"],
            )
            assert found["windows"] == [
                (
                    row["document"],
                    row["position"],
                    min(BEFORE, row["position"]),
                    words[row["document"]][max(0, row["position"] - BEFORE) : row["position"] + AFTER + 1],
                )
                for row in mine[:RANKS]
            ]
            assert found["top"] == Counter(words[row["document"]][row["position"]] for row in mine).most_common(TOP)


def test_examples_without_texts_have_their_documents() -> None:
    tables = activity_tables(DENSE, SMALL, DOCUMENTS)
    examples = tables["examples"].filter(pa.compute.equal(tables["examples"]["quantity"].cast(pa.string()), "post"))
    file = example_file(examples.select(EXAMPLE_COLUMNS), examples["neuron"].to_numpy().astype(np.int64), 7, NO_PIECES)
    found = decoded(file, 7)
    assert file["words"] == []
    assert [len(quadrant["windows"]) for quadrant in found[1]] == [RANKS] * 4
    assert {tuple(window[3]) for quadrant in found[1] for window in quadrant["windows"]} == {()}
    assert found[1][0]["top"] == []


def test_neurons_without_examples_have_none() -> None:
    none = activity_tables(DENSE, SMALL, DOCUMENTS)["examples"].slice(0, 0).select(EXAMPLE_COLUMNS)
    file = example_file(none, np.zeros(0, dtype=np.int64), 7, NO_PIECES)
    assert all(not quadrant["windows"] and not quadrant["top"] for neuron in decoded(file, 7) for quadrant in neuron)
