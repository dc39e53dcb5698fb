"""Killed anywhere and run again, the store holds the same bytes; what it holds is not made again."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from gated_ray.activations import token_datasets
from gated_ray.activations.token_datasets import token_dataset
from gated_ray.activations.tokenizers import Tokenizer
from gated_ray.errors import StoreError
from gated_ray.settings import DataSettings, StoreSettings
from gated_ray.store.objects import Objects, open_objects
from gated_ray.store.token_keys import TokenPartition, dataset_key, identity_key, shard_key, shard_manifest_key
from tests.activations.corpora import documents, lines, parquet_files
from tests.store.made_up import Interrupted, KilledError, contents

PUTS = 2 * 4 + 2
"""Of four shards with their manifests, of the claim before them and the commit behind."""


@pytest.fixture
def data(tmp_path: Path) -> DataSettings:
    """Of which four shards are made; there are empty documents at the end of the order too."""
    parquet_files(tmp_path / "texts")
    (tmp_path / "texts" / "a.jsonl").write_bytes(lines([None] * 40))
    return DataSettings(text=str(tmp_path / "texts"), max_length=40, max_tokens=None, shard_tokens=3000)


@pytest.fixture
def undisturbed(tmp_path: Path, data: DataSettings, llama: Tokenizer) -> dict[str, bytes]:
    objects = open_objects(StoreSettings(str(tmp_path / "undisturbed")))
    assert len(token_dataset(objects, data, llama).shards) == 4
    return contents(objects)


@pytest.mark.parametrize("puts", range(PUTS + 1))
def test_killed_before_any_put(
    puts: int, data: DataSettings, undisturbed: dict[str, bytes], objects: Objects, llama: Tokenizer
) -> None:
    if puts == PUTS:
        token_dataset(Interrupted(objects, puts), data, llama)
    else:
        with pytest.raises(KilledError):
            token_dataset(Interrupted(objects, puts), data, llama)
        assert len(contents(objects)) == puts
    dataset = token_dataset(objects, data, llama)
    assert contents(objects) == undisturbed
    assert sum(shard.empty for shard in dataset.shards) == dataset.found - dataset.documents


def test_killed_again_and_again(
    data: DataSettings, undisturbed: dict[str, bytes], objects: Objects, llama: Tokenizer
) -> None:
    """Two puts a run, of a shard and its manifest, are enough to get on."""
    runs = 1
    while "dataset.json" not in "".join(contents(objects)):
        with suppress(KilledError):
            token_dataset(Interrupted(objects, 2), data, llama)
        runs += 1
        assert runs < 2 * PUTS, "it gets nowhere"
    assert contents(objects) == undisturbed
    assert runs == 7, "the first claims and writes a shard without its manifest, the last commits them all"


LOST: dict[str, Callable[[TokenPartition], str]] = {
    "first shard": lambda partition: shard_key(partition, 0),
    "shard in the middle": lambda partition: shard_key(partition, 2),
    "last shard": lambda partition: shard_key(partition, 3),
    "manifest": lambda partition: shard_manifest_key(partition, 1),
    "last manifest": lambda partition: shard_manifest_key(partition, 3),
    "claim": identity_key,
    "commit": dataset_key,
}


@pytest.mark.parametrize("damage", ["deleted", "cut short"])
@pytest.mark.parametrize("lost", LOST)
def test_what_was_lost_is_made_again_and_nothing_else(
    lost: str,
    damage: str,
    data: DataSettings,
    undisturbed: dict[str, bytes],
    objects: Objects,
    llama: Tokenizer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    partition = token_dataset(objects, data, llama).partition
    for key in {LOST[lost](partition), dataset_key(partition)}:
        if damage == "deleted":
            objects.delete(key)
        else:
            objects.put(key, objects.get(key)[:-7])
    made: list[int] = []
    commit = token_datasets.commit_shard
    monkeypatch.setattr(
        token_datasets, "commit_shard", lambda *args, **more: (made.append(args[2]), commit(*args, **more))[1]
    )
    token_dataset(objects, data, llama)
    assert contents(objects) == undisturbed
    key = LOST[lost](partition)
    assert made == [
        index for index in range(4) if key in (shard_key(partition, index), shard_manifest_key(partition, index))
    ]


def test_a_rerun_reads_one_record_and_one_listing(
    data: DataSettings, objects: Objects, llama: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = token_dataset(objects, data, llama)
    asked: list[str] = []
    for method in ("get", "list", "put", "delete"):
        call = getattr(objects, method)
        monkeypatch.setattr(
            objects,
            method,
            lambda *args, method=method, call=call, **more: (asked.append(method), call(*args, **more))[1],
        )
    monkeypatch.setattr(Tokenizer, "encode_batch", None)
    assert token_dataset(objects, data, llama) == first
    assert asked == ["get", "list"]


def test_two_runs_at_once_leave_one_dataset(
    data: DataSettings, undisturbed: dict[str, bytes], objects: Objects, llama: Tokenizer
) -> None:
    other = Interrupted(objects, 4, lambda: token_dataset(objects, data, llama))
    token_dataset(other, data, llama)
    assert contents(objects) == undisturbed


def edit(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"model", b"modem"))


def append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b'{"text": "more"}\n')


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "longer": (append, "other texts: a.jsonl had {size:,} bytes, now {longer:,}"),
    "edited": (edit, "other texts: a.jsonl had another content"),
    "new file": (lambda path: path.with_name("b.jsonl").touch(), "other texts: b.jsonl was not there"),
    "gone": (lambda path: path.rename(path.with_name("a.md")), "other texts: a.jsonl is no longer there"),
}


@pytest.mark.parametrize("killed", [True, False])
@pytest.mark.parametrize("change", CHANGES)
def test_other_texts_under_the_same_name_are_refused(
    change: str, killed: bool, tmp_path: Path, objects: Objects, llama: Tokenizer
) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    path = folder / "a.jsonl"
    path.write_bytes(lines(["the model", *documents(50)]))
    (folder / "z.txt").write_text("another")
    data = DataSettings(text=str(folder), max_length=40, shard_tokens=300)
    if killed:
        with pytest.raises(KilledError):
            token_dataset(Interrupted(objects, 5), data, llama)
    else:
        token_dataset(objects, data, llama)
    before = contents(objects)
    size = path.stat().st_size
    changed, words = CHANGES[change]
    changed(path)
    with pytest.raises(StoreError) as error:
        token_dataset(objects, data, llama)
    expected = words.format(size=size, longer=size + 17)
    assert str(error.value) == (
        f"token dataset 'texts' in {objects.url} was made from {expected}; give this one another data.name"
    )
    assert contents(objects) == before
    token_dataset(objects, replace(data, name="other"), llama)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"seed": 3}, "seed was 0, now 3"),
        ({"max_tokens": None}, "max_tokens was 20000000, now None"),
        ({"max_length": 9, "shard_tokens": 5}, "max_length was 40, now 9, shard_tokens was 3000, now 5"),
    ],
)
def test_other_settings_under_the_same_name_are_refused(
    setting: dict[str, int | None], words: str, data: DataSettings, objects: Objects, llama: Tokenizer
) -> None:
    data = replace(data, max_tokens=20_000_000)
    token_dataset(objects, data, llama)
    with pytest.raises(StoreError, match=f"was made from other settings: {words}; give this one another"):
        token_dataset(objects, replace(data, **setting), llama)


def test_a_claim_that_no_shard_followed_is_no_obstacle(tmp_path: Path, objects: Objects, llama: Tokenizer) -> None:
    """A broken line is found, mended, and the same command run again."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"broken\n" + lines(["one"]))
    with pytest.raises(Exception, match=r"a\.jsonl: line 1 is no JSON object"):
        token_dataset(objects, DataSettings(text=str(path)), llama)
    path.write_bytes(lines(["one"]))
    assert token_dataset(objects, DataSettings(text=str(path)), llama).documents == 1


def test_each_tokenizer_has_a_dataset_of_its_own(
    data: DataSettings, objects: Objects, tokenizers: dict[str, Tokenizer]
) -> None:
    made = {name: token_dataset(objects, data, tokenizer) for name, tokenizer in tokenizers.items()}
    assert len({dataset.partition for dataset in made.values()}) == len(tokenizers)
    assert len({dataset.name for dataset in made.values()}) == 1
