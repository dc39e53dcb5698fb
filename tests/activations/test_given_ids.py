"""Token ids that somebody else made: all of them, in the order of their file."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gated_ray.activations.token_datasets import token_dataset
from gated_ray.errors import InputError, StoreError
from gated_ray.settings import DataSettings
from gated_ray.store.objects import Objects
from gated_ray.store.tokens import read_shard
from tests.servers.hub import HubServer
from tests.store.made_up import Interrupted, KilledError, contents

IDS = [[5, 0, 2_147_483_647], [], [1], *([number] * 7 for number in range(20)), []]


@pytest.fixture
def data(tmp_path: Path) -> DataSettings:
    path = tmp_path / "ready.json"
    path.write_text(json.dumps(IDS))
    return DataSettings(token_ids=str(path), shard_tokens=30)


def test_rows_are_the_entries_of_the_file(data: DataSettings, objects: Objects) -> None:
    """An empty list is a row too, so that documents can be looked up in the file."""
    dataset = token_dataset(objects, data, None)
    rows = [row for shard in dataset.shards for row in read_shard(objects, shard).to_pylist()]
    assert [row["ids"] for row in rows] == IDS
    assert [row["document"] for row in rows] == list(range(len(IDS)))
    assert rows[0] == {
        "document": 0,
        "ids": IDS[0],
        "text": None,
        "starts": None,
        "source": None,
        "source_row": None,
        "truncated": False,
        "dataset_name": "ready",
        "tokenizer_digest": "given",
    }
    assert (dataset.name, dataset.tokenizer_digest) == ("ready", "given")
    assert (dataset.documents, dataset.tokens, dataset.empty, dataset.truncated) == (24, 144, 2, 0)
    assert (dataset.found, len(dataset.shards)) == (24, 5)
    assert [shard.first for shard in dataset.shards] == [0, 7, 12, 17, 22]


def test_settings_of_texts_change_nothing(data: DataSettings, objects: Objects) -> None:
    other = replace(data, seed=5, max_length=2, max_tokens=3, column="x")
    assert token_dataset(objects, data, None) == token_dataset(objects, other, None)


def test_killed_before_any_put(data: DataSettings, objects: Objects, tmp_path: Path) -> None:
    token_dataset(objects, data, None)
    undisturbed = contents(objects)
    for puts in range(12):
        for key in contents(objects):
            objects.delete(key)
        with pytest.raises(KilledError):
            token_dataset(Interrupted(objects, puts), data, None)
        token_dataset(objects, data, None)
        assert contents(objects) == undisturbed


def test_other_ids_under_the_same_name_are_refused(data: DataSettings, objects: Objects) -> None:
    token_dataset(objects, data, None)
    Path(str(data.token_ids)).write_text(json.dumps(IDS[::-1]))
    with pytest.raises(StoreError, match=r"token dataset 'ready' in .* other texts: ready\.json had another content"):
        token_dataset(objects, data, None)


def test_from_the_hub(data: DataSettings, objects: Objects, hub: HubServer, tmp_path: Path) -> None:
    hub.add_repo("datasets/org/ids", tmp_path)
    found = token_dataset(objects, DataSettings(token_ids="hf://datasets/org/ids/ready.json"), None)
    assert found.tokens == 144


BAD: dict[str, tuple[Any, str]] = {
    "an object": ({"a": [1]}, ": is no list of lists of token ids"),
    "a list of ids": ([1, 2], ": entry 0 is no list of token ids but 1"),
    "a text among them": ([[1], "text"], ": entry 1 is no list of token ids but 'text'"),
    "null": ([[1], None], ": entry 1 is no list of token ids but None"),
    "negative": ([[1], [2, -1]], ": entry 1 has -1 at position 1; ids are whole numbers from 0 to 2147483647"),
    "too large": ([[1 << 31]], ": entry 0 has 2147483648 at position 0; ids are whole numbers"),
    "fractions": ([[1.0]], ": entry 0 has 1.0 at position 0; ids are"),
    "truth": ([[True]], ": entry 0 has True at position 0; ids are"),
    "deeper": ([[[1]]], ": entry 0 has [1] at position 0; ids are"),
    "nothing": ([], ": holds no token ids"),
    "nothing but empty lists": ([[], []], ": holds no token ids"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_ids(case: str, tmp_path: Path, objects: Objects) -> None:
    document, words = BAD[case]
    path = tmp_path / "ids.json"
    path.write_text(json.dumps(document))
    with pytest.raises(InputError) as error:
        token_dataset(objects, DataSettings(token_ids=str(path)), None)
    assert str(error.value).startswith(f"{path}{words}")
    assert contents(objects) == {}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[[1, 2", "is no JSON ("),
        (b"", "is no JSON (Expecting value"),
        (b"\x1f\x8b\x08", "is a gzip archive; unpack it"),
        (b"[" * 200_000, "is no JSON (maximum recursion depth"),
    ],
)
def test_no_json(content: bytes, words: str, tmp_path: Path, objects: Objects) -> None:
    (tmp_path / "ids.json").write_bytes(content)
    with pytest.raises(InputError) as error:
        token_dataset(objects, DataSettings(token_ids=str(tmp_path / "ids.json")), None)
    assert str(error.value).startswith(f"{tmp_path / 'ids.json'}: {words}")
    assert "\n" not in str(error.value)


def test_a_folder(tmp_path: Path, objects: Objects) -> None:
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text("[[1]]")
    with pytest.raises(
        InputError, match=rf"data\.token_ids={tmp_path}: give one JSON file, a list of lists of token ids"
    ):
        token_dataset(objects, DataSettings(token_ids=str(tmp_path)), None)
