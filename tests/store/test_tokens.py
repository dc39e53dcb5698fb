"""Token datasets in every kind of store: committed by their manifests, read back, and verified."""

from collections.abc import Callable

import pyarrow as pa
import pytest

from gated_ray.errors import InputError, StoreError
from gated_ray.store.objects import Objects
from gated_ray.store.profiles import claim_profile
from gated_ray.store.token_commit import committed_shards, identity_digest, whole_token_dataset
from gated_ray.store.token_identity import claim_token_dataset
from gated_ray.store.token_keys import (
    GIVEN,
    TokenPartition,
    dataset_key,
    identity_key,
    parse_shard_manifest,
    shard_key,
    shard_manifest_key,
)
from gated_ray.store.tokens import open_token_dataset, read_shard, token_partitions
from gated_ray.store.verify import verify_store
from tests.store.made_up import DENSE_UNITS, LLAMA, PROFILE, contents, sweep
from tests.store.token_shards import IDENTITY, ROWS, TEXTS, commit, make, shard_table

DIGEST = identity_digest(IDENTITY)


def test_keys() -> None:
    assert shard_key(TEXTS, 3) == "tokens/dataset=org--my..20texts/tokenizer=0123456789ab/shard-00003.parquet"
    assert (
        shard_manifest_key(TEXTS, 3) == "_units/tokens/dataset=org--my..20texts/tokenizer=0123456789ab/shard-00003.json"
    )
    assert TokenPartition.parse(TEXTS.path) == TEXTS
    assert parse_shard_manifest(TEXTS, shard_manifest_key(TEXTS, 123_456)) == 123_456
    assert parse_shard_manifest(TEXTS, dataset_key(TEXTS)) is None
    assert parse_shard_manifest(TEXTS, shard_key(TEXTS, 3)) is None
    assert parse_shard_manifest(TEXTS, shard_manifest_key(TEXTS, 3).replace("00003", "000003")) is None
    assert parse_shard_manifest(TokenPartition("x", GIVEN), shard_manifest_key(TEXTS, 3)) is None


@pytest.mark.parametrize("name", ["", "x" * 201, "é" * 60])
def test_names_that_cannot_be_folders(name: str) -> None:
    with pytest.raises(InputError, match=r"data\.name=.*: must be 1 to 200 characters once encoded"):
        TokenPartition(name, GIVEN)


@pytest.mark.parametrize(
    "path", ["dataset=x", "dataset=x/tokenizer=ABC", "dataset=a b/tokenizer=given", "dataset=a.../tokenizer=given"]
)
def test_paths_of_no_dataset(path: str) -> None:
    with pytest.raises(ValueError, match="is not"):
        TokenPartition.parse(path)
    with pytest.raises(ValueError, match="no tokenizer's digest"):
        TokenPartition("x", "0123")


def test_commit_and_read(objects: Objects) -> None:
    made = make(objects)
    assert open_token_dataset(objects, TEXTS.dataset, TEXTS.tokenizer) == made
    assert whole_token_dataset(objects, TEXTS, IDENTITY) == made
    assert token_partitions(objects) == [TEXTS]
    assert (made.documents, made.tokens, made.truncated, made.empty, made.found) == (9, 18, 3, 3, 20)
    table = read_shard(objects, made.shards[1])
    expected = shard_table(1)
    for name, value in TEXTS.columns.items():
        expected = expected.append_column(name, pa.repeat(value, ROWS))
    assert table.to_pylist() == expected.to_pylist()
    assert len(contents(objects)) == 8


def test_only_shards_that_are_held_as_their_manifests_say_count(objects: Objects) -> None:
    make(objects)
    assert sorted(committed_shards(objects, TEXTS, DIGEST)) == [0, 1, 2]
    assert committed_shards(objects, TEXTS, "another") == {}
    objects.delete(shard_key(TEXTS, 0))
    objects.put(shard_key(TEXTS, 1), b"short")
    assert sorted(committed_shards(objects, TEXTS, DIGEST)) == [2]
    assert whole_token_dataset(objects, TEXTS, IDENTITY) is None
    objects.put(shard_manifest_key(TEXTS, 2), b"{}")
    assert committed_shards(objects, TEXTS, DIGEST) == {}
    make(objects)
    assert sorted(committed_shards(objects, TEXTS, DIGEST)) == [0, 1, 2]


def test_a_name_has_one_meaning_for_each_tokenizer(objects: Objects) -> None:
    make(objects)
    with pytest.raises(StoreError, match=r"other settings: seed was 0, now 1; give this one another data\.name"):
        claim_token_dataset(objects, TEXTS, IDENTITY | {"seed": 1})
    claim_token_dataset(objects, TokenPartition(TEXTS.dataset, GIVEN), IDENTITY | {"seed": 1})
    claim_token_dataset(objects, TokenPartition("other", TEXTS.tokenizer), IDENTITY | {"seed": 1})
    claim_token_dataset(objects, TEXTS, IDENTITY)


def problems(objects: Objects) -> list[tuple[str, str, str]]:
    return [(problem.partition, problem.key, problem.what) for problem in verify_store(objects).problems]


@pytest.fixture
def swept(objects: Objects) -> Objects:
    """A store of one model and two token datasets."""
    claim_profile(objects, PROFILE)
    sweep(objects, LLAMA, DENSE_UNITS[:1])
    make(objects)
    make(objects, 1, TokenPartition("ready", GIVEN))
    return objects


def test_a_sound_store_has_no_problems(swept: Objects) -> None:
    found = verify_store(swept)
    assert found.problems == ()
    assert (found.models, found.units, found.token_datasets) == (1, 1, 2)
    assert found.objects == 2 + 3 + 4
    assert found.bytes == sum(each.size for each in swept.list("") if not each.key.startswith("_units/"))
    assert str(found).startswith("1 published model, 1 unit, 9 objects, 2 token datasets, ")


def flip(objects: Objects, key: str) -> None:
    body = objects.get(key)
    objects.put(key, body[:-9] + bytes([body[-9] ^ 1]) + body[-8:])


def cut(objects: Objects, key: str) -> None:
    objects.put(key, objects.get(key)[:-5])


def late_writer(objects: Objects, key: str) -> None:
    """One of a run with other settings writes on, after this one was finished."""
    objects.put(key, objects.get(key).replace(DIGEST.encode(), b"0" * 64))


def delete(objects: Objects, key: str) -> None:
    objects.delete(key)


def stray(objects: Objects, key: str) -> None:
    objects.put(key, b"{}")


def other_claim(objects: Objects, key: str) -> None:
    objects.put(key, objects.get(key).replace(b'"seed": 0', b'"seed": 1'))


def shard_too_many(objects: Objects, _: str) -> None:
    commit(objects, 3, 4)


Damage = Callable[[Objects, str], None]
DAMAGES: dict[str, tuple[Damage, str, str]] = {
    "lost shard": (delete, shard_key(TEXTS, 1), "missing"),
    "short shard": (cut, shard_key(TEXTS, 1), "bytes instead of"),
    "altered shard": (flip, shard_key(TEXTS, 1), "altered: its ETag is"),
    "lost manifest": (delete, shard_manifest_key(TEXTS, 2), "missing"),
    "broken manifest": (cut, shard_manifest_key(TEXTS, 2), "cannot be read as the manifest of this shard"),
    "another's manifest": (late_writer, shard_manifest_key(TEXTS, 2), "says something else than _units/tokens/"),
    "lost record": (delete, dataset_key(TEXTS), "not finished"),
    "broken record": (cut, dataset_key(TEXTS), "cannot be read as the record of this dataset"),
    "lost claim": (delete, identity_key(TEXTS), "missing"),
    "another's claim": (other_claim, identity_key(TEXTS), "says something else than _units/tokens/"),
    "another's shards": (late_writer, dataset_key(TEXTS), "names shards that are made from something else"),
    "shard too many": (shard_too_many, shard_manifest_key(TEXTS, 3), "does not name this shard"),
    "shard without manifest": (stray, shard_key(TEXTS, 7), "no manifest names this file"),
    "stray record": (stray, identity_key(TEXTS).replace("identity", "notes"), "no record of a token dataset"),
    "stray file": (stray, "tokens/readme.txt", "lies in no token dataset"),
    "stray folder": (stray, "_units/tokens/dataset=x/a.json", "lies in no token dataset"),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_damage_is_found_and_mended(case: str, folder_objects: Objects) -> None:
    damage, key, what = DAMAGES[case]
    claim_profile(folder_objects, PROFILE)
    sweep(folder_objects, LLAMA, DENSE_UNITS[:1])
    make(folder_objects)
    before = contents(folder_objects)
    damage(folder_objects, key)
    found = problems(folder_objects)
    assert any(where == key and what in said for _, where, said in found), found
    assert all("tokens" in where for _, where, _ in found)
    for _, where, _ in found:
        folder_objects.delete(where)
    folder_objects.delete(dataset_key(TEXTS))
    make(folder_objects)
    assert contents(folder_objects) == before


@pytest.mark.parametrize("damage", [delete, cut, flip])
def test_damaged_shards_are_found_in_every_store(damage: Damage, objects: Objects) -> None:
    make(objects)
    damage(objects, shard_key(TEXTS, 1))
    ((_, key, _),) = problems(objects)
    assert key == shard_key(TEXTS, 1)


def test_a_run_that_was_killed_is_named(objects: Objects) -> None:
    claim_token_dataset(objects, TEXTS, IDENTITY)
    commit(objects, 0)
    assert problems(objects) == [(TEXTS.path, dataset_key(TEXTS), "not finished")]
