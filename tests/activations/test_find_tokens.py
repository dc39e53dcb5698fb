"""Token datasets that are ready are found by the store's URL or by their folder."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from gated_ray.activations.token_datasets import find_tokens, token_dataset
from gated_ray.activations.tokenizers import Tokenizer
from gated_ray.errors import CorruptionError, InputError
from gated_ray.settings import DataSettings, StoreSettings
from gated_ray.store.objects import Objects, open_objects
from gated_ray.store.token_keys import dataset_key, shard_folder
from gated_ray.store.tokens import open_token_dataset, read_shard, token_partitions
from tests.servers.s3 import S3Server

OTHER = "0123456789ab"


def make(objects: Objects, folder: Path, name: str, tokenizer: Tokenizer | None) -> DataSettings:
    if tokenizer is None:
        (folder / "ids.json").write_text(json.dumps([[1, 2, 3]]))
        data = DataSettings(token_ids=str(folder / "ids.json"), name=name)
    else:
        (folder / "a.txt").write_text("some text")
        data = DataSettings(text=str(folder / "a.txt"), name=name)
    token_dataset(objects, data, tokenizer)
    return data


def test_the_only_one(objects: Objects, tmp_path: Path, llama: Tokenizer) -> None:
    make(objects, tmp_path, "org/texts", llama)
    expected = open_token_dataset(objects, "org/texts", llama.digest)
    found = find_tokens(DataSettings(tokens=objects.url), llama.digest)
    assert found.dataset == expected
    assert found.store == StoreSettings(objects.url)
    folder = f"{objects.url}/{shard_folder(expected.partition)}"
    for url in (folder, folder.rstrip("/")):
        found = find_tokens(DataSettings(tokens=url), llama.digest)
        assert (found.store, found.dataset) == (StoreSettings(objects.url), expected)
    assert read_shard(open_objects(found.store), found.dataset.shards[0])["text"].to_pylist() == ["some text"]
    assert token_partitions(objects) == [expected.partition]


def test_by_name(objects: Objects, tmp_path: Path, llama: Tokenizer, tokenizers: dict[str, Tokenizer]) -> None:
    make(objects, tmp_path, "one", llama)
    make(objects, tmp_path, "two", llama)
    make(objects, tmp_path, "three", tokenizers["unigram"])
    assert find_tokens(DataSettings(tokens=objects.url, name="two"), llama.digest).dataset.name == "two"
    with pytest.raises(InputError) as error:
        find_tokens(DataSettings(tokens=objects.url), llama.digest)
    assert str(error.value) == (
        f"data.tokens={objects.url}: holds not one dataset for the tokenizer {llama.digest}; set data.name to one that it "
        "has: one, two"
    )
    with pytest.raises(InputError, match=f"holds no such dataset for the tokenizer {llama.digest}; .*: one, two"):
        find_tokens(DataSettings(tokens=objects.url, name="three"), llama.digest)


def test_given_ids_serve_every_model_but_those_of_its_tokenizer_go_before(
    objects: Objects, tmp_path: Path, llama: Tokenizer
) -> None:
    make(objects, tmp_path, "texts", None)
    data = DataSettings(tokens=objects.url)
    assert find_tokens(data, llama.digest).dataset.tokenizer_digest == "given"
    make(objects, tmp_path, "texts", llama)
    assert find_tokens(data, llama.digest).dataset.tokenizer_digest == llama.digest
    assert find_tokens(data, OTHER).dataset.tokenizer_digest == "given"
    given = f"{objects.url}/tokens/dataset=texts/tokenizer=given"
    assert find_tokens(replace(data, tokens=given), llama.digest).dataset.tokenizer_digest == "given"


def test_in_a_bucket(nanio: S3Server, tmp_path: Path, llama: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in nanio.environment().items():
        monkeypatch.setenv(name, value)
    store = StoreSettings(f"s3://{nanio.make_bucket('ready-tokens')}/results", nanio.endpoint_url)
    objects = open_objects(store)
    make(objects, tmp_path, "texts", llama)
    for url in (store.url, f"{store.url}/tokens/dataset=texts/tokenizer={llama.digest}"):
        found = find_tokens(DataSettings(tokens=url, endpoint_url=nanio.endpoint_url), llama.digest)
        assert found.store == store
        assert read_shard(open_objects(found.store), found.dataset.shards[0]).num_rows == 1


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        ("", "holds not one dataset for the tokenizer {digest}; set data.name to one that it has: none"),
        ("/tokens/dataset=x/tokenizer=" + OTHER, "made by the tokenizer 0123456789ab, not by the model's {digest}"),
        ("/tokens/dataset=x/tokenizer=zzz", "'dataset=x/tokenizer=zzz' is not the path of a token dataset"),
        (
            "/tokens/dataset=x/tokenizer={digest}",
            "holds no whole token dataset 'x' for the tokenizer {digest}; make it with",
        ),
    ],
)
def test_none(folder: str, words: str, objects: Objects, llama: Tokenizer) -> None:
    with pytest.raises(InputError) as error:
        find_tokens(DataSettings(tokens=objects.url + folder.format(digest=llama.digest)), llama.digest)
    assert words.format(digest=llama.digest) in str(error.value)
    assert objects.url in str(error.value)


def test_urls_that_are_none() -> None:
    with pytest.raises(InputError, match=r"^data\.tokens='gs://bucket/x': use a folder or s3://bucket/prefix"):
        find_tokens(DataSettings(tokens="gs://bucket/x"), OTHER)
    with pytest.raises(InputError, match=r"^data\.endpoint_url='host': must be http"):
        find_tokens(DataSettings(tokens="s3://bucket/x", endpoint_url="host"), OTHER)


def test_one_that_is_not_finished_is_none(objects: Objects, tmp_path: Path, llama: Tokenizer) -> None:
    make(objects, tmp_path, "texts", llama)
    dataset = open_token_dataset(objects, "texts", llama.digest)
    objects.delete(dataset_key(dataset.partition))
    with pytest.raises(InputError, match="holds not one dataset"):
        find_tokens(DataSettings(tokens=objects.url), llama.digest)


@pytest.mark.parametrize("damage", ["gone", "altered"])
def test_a_damaged_shard_is_named(damage: str, objects: Objects, tmp_path: Path, llama: Tokenizer) -> None:
    make(objects, tmp_path, "texts", llama)
    (shard,) = find_tokens(DataSettings(tokens=objects.url), llama.digest).dataset.shards
    if damage == "gone":
        objects.delete(shard.object.key)
    else:
        objects.put(shard.object.key, objects.get(shard.object.key)[::-1])
    with pytest.raises(
        CorruptionError, match=f"{shard.object.key}: missing or damaged; delete it, and run jobs.tokens"
    ):
        read_shard(objects, shard)
