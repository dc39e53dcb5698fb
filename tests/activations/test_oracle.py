"""Token datasets are what a naive reading of the same texts gives: whatever the layout, the tokenizer and the settings."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from gated_ray.activations.token_datasets import token_dataset
from gated_ray.activations.tokenizers import Tokenizer
from gated_ray.settings import DataSettings
from gated_ray.store.objects import Objects
from gated_ray.store.token_keys import shard_key
from gated_ray.store.tokens import open_token_dataset, read_shard
from tests.activations.corpora import LAYOUTS, Texts, everything, lines, one_jsonl, packed_lines
from tests.activations.naive import naive_key, naive_shards
from tests.activations.small_tokenizers import NAMES

SMALL = DataSettings(max_length=24, max_tokens=None, shard_tokens=700)


def built(objects: Objects, data: DataSettings, tokenizer: Tokenizer) -> list[list[dict[str, Any]]]:
    """The rows of every shard, their partition's columns checked and left out; what is recorded of them checked too."""
    dataset = token_dataset(objects, data, tokenizer)
    assert dataset == open_token_dataset(objects, dataset.name, tokenizer.digest)
    shards = []
    for index, shard in enumerate(dataset.shards):
        assert shard.object.key == shard_key(dataset.partition, index)
        rows = read_shard(objects, shard).to_pylist()
        for row in rows:
            assert (row.pop("dataset_name"), row.pop("tokenizer_digest")) == (dataset.name, tokenizer.digest)
        assert shard.first == rows[0]["document"]
        assert shard.documents == len(rows)
        assert shard.tokens == sum(len(row["ids"]) for row in rows)
        assert shard.truncated == sum(row["truncated"] for row in rows)
        assert shard.is_last == (index == len(dataset.shards) - 1)
        shards.append(rows)
    return shards


def check(texts: Texts, objects: Objects, data: DataSettings, tokenizer: Tokenizer, folder: Path) -> None:
    loaded = AutoTokenizer.from_pretrained(folder)
    expected = naive_shards(texts, data, loaded)
    found = built(objects, data, tokenizer)
    assert [len(shard) for shard in found] == [len(shard) for shard in expected]
    assert [row for shard in found for row in shard] == [row for shard in expected for row in shard]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout(
    layout: str, tmp_path: Path, objects: Objects, llama: Tokenizer, tokenizer_folders: dict[str, Path]
) -> None:
    texts = LAYOUTS[layout](tmp_path / "texts")
    check(texts, objects, replace(SMALL, text=str(tmp_path / "texts")), llama, tokenizer_folders["llama"])


@pytest.mark.parametrize("name", NAMES)
def test_every_tokenizer(
    name: str, tmp_path: Path, objects: Objects, tokenizers: dict[str, Tokenizer], tokenizer_folders: dict[str, Path]
) -> None:
    texts = packed_lines(tmp_path / "texts")
    check(texts, objects, replace(SMALL, text=str(tmp_path / "texts")), tokenizers[name], tokenizer_folders[name])


@pytest.mark.parametrize(
    "settings",
    [
        {"seed": 1},
        {"seed": (1 << 64) - 1},
        {"max_length": 2},
        {"max_length": 100_000},
        {"max_tokens": 1},
        {"max_tokens": 699},
        {"max_tokens": 700},
        {"max_tokens": 2000},
        {"max_tokens": 10**9},
        {"shard_tokens": 1},
        {"shard_tokens": 10**9},
    ],
    ids=str,
)
def test_every_setting(
    settings: dict[str, Any], tmp_path: Path, objects: Objects, llama: Tokenizer, tokenizer_folders: dict[str, Path]
) -> None:
    write = one_jsonl if settings.get("shard_tokens") == 1 else everything  # a file for each document
    texts = write(tmp_path / "texts")
    data = replace(SMALL, text=str(tmp_path / "texts"), **settings)
    check(texts, objects, data, llama, tokenizer_folders["llama"])


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_the_document_that_reaches_max_tokens_is_the_last(
    more: int, tmp_path: Path, objects: Objects, llama: Tokenizer
) -> None:
    one_jsonl(tmp_path)
    data = replace(SMALL, text=str(tmp_path / "a.jsonl"), name="all")
    rows = [row for shard in built(objects, data, llama) for row in shard]
    reached = sum(len(row["ids"]) for row in rows[:50])
    data = replace(data, name="some", max_tokens=reached + more)
    some = [row for shard in built(objects, data, llama) for row in shard]
    assert some == rows[: 51 if more > 0 else 50]


@pytest.mark.parametrize("where", [0, 20, 39])
def test_empty_documents_are_counted_wherever_they_stand(
    where: int, tmp_path: Path, objects: Objects, tokenizers: dict[str, Tokenizer]
) -> None:
    """Before, between and behind the others; white space is empty where the tokenizer makes nothing of it."""
    order = sorted(range(40), key=lambda row: naive_key(0, 0, row))
    texts: list[str | None] = ["", None, "  ", "\n"] * 10
    texts[order[where]] = "text"
    (tmp_path / "a.jsonl").write_bytes(lines(texts))
    dataset = token_dataset(objects, DataSettings(text=str(tmp_path / "a.jsonl")), tokenizers["enclosed"])
    assert (dataset.documents, dataset.empty, dataset.found) == (1, 39, 40)
