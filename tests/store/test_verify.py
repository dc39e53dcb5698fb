"""Verification finds every kind of damage, and nothing where there is none."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gated_ray.store.keys import (
    WEIGHT_TABLES,
    Partition,
    UnitKey,
    manifest_key,
    profile_key,
    published_key,
    raw_key,
    table_key,
)
from gated_ray.store.objects import Objects
from gated_ray.store.profiles import claim_profile
from gated_ray.store.publish import published
from gated_ray.store.verify import verify_store
from tests.store.made_up import (
    DENSE_UNITS,
    IDENTITY,
    LLAMA,
    MOE,
    MOE_UNITS,
    PROFILE,
    Interrupted,
    KilledError,
    commit,
    sweep,
)

UNIT = MOE_UNITS[1]
RAW = raw_key("neurons", MOE, UNIT)
TABLE = table_key("neurons", MOE)


@pytest.fixture
def swept(objects: Objects) -> Objects:
    """A sound store of two models."""
    claim_profile(objects, PROFILE)
    sweep(objects, LLAMA, DENSE_UNITS[:1])
    sweep(objects, MOE, MOE_UNITS[:2])
    return objects


def problems(objects: Objects) -> list[tuple[str, str, str]]:
    return [(problem.partition, problem.key, problem.what) for problem in verify_store(objects).problems]


def test_a_sound_store_has_no_problems(swept: Objects) -> None:
    found = verify_store(swept)
    assert found.problems == ()
    assert (found.models, found.units) == (2, 3)
    assert found.objects == 2 * 3 + 3 + 4
    assert found.bytes == sum(each.size for each in swept.list("") if not each.key.startswith("_units/"))


def test_an_empty_store_has_no_problems(objects: Objects) -> None:
    found = verify_store(objects)
    assert (found.models, found.units, found.objects, found.bytes, found.problems) == (0, 0, 0, 0, ())


def altered(body: bytes) -> bytes:
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]


@pytest.mark.parametrize(
    "key", [RAW, raw_key("layers", MOE, UNIT), *(table_key(table, MOE) for table in WEIGHT_TABLES)]
)
def test_deleted_truncated_and_altered_objects_are_found(swept: Objects, key: str) -> None:
    body = swept.get(key)
    swept.delete(key)
    assert problems(swept) == [(MOE.path, key, "missing")]
    assert str(verify_store(swept)).startswith("2 published models, 3 units, 13 objects, ")
    assert [str(problem) for problem in verify_store(swept).problems] == [f"{key}: missing"]
    swept.put(key, body[:-1])
    assert problems(swept) == [(MOE.path, key, f"has {len(body) - 1} bytes instead of {len(body)}")]
    swept.put(key, altered(body))
    ((partition, found, what),) = problems(swept)
    assert (partition, found) == (MOE.path, key)
    assert what.startswith("altered")
    swept.put(key, body)
    assert problems(swept) == []


def delete_manifest(objects: Objects) -> None:
    objects.delete(manifest_key(MOE, UNIT))


def damage_manifest(objects: Objects) -> None:
    objects.put(manifest_key(MOE, UNIT), objects.get(manifest_key(MOE, UNIT))[:-9])


def change_rows(objects: Objects) -> None:
    body = objects.get(manifest_key(MOE, UNIT))
    changed = body.replace(b'"rows": 24', b'"rows": 25')
    assert changed != body
    objects.put(manifest_key(MOE, UNIT), changed)


def change_unit_settings(objects: Objects) -> None:
    commit(objects, MOE, UNIT, identity={**IDENTITY, "seed": 1})


def change_profile(objects: Objects) -> None:
    changed = objects.get(profile_key("paper")).replace(b'"seed": 0', b'"seed": 1')
    objects.put(profile_key("paper"), changed)


def damage_record(objects: Objects) -> None:
    objects.put(published_key(MOE), objects.get(published_key(MOE))[:-9])


MANIFEST = manifest_key(MOE, UNIT)
RECORD = published_key(MOE)
DAMAGE: list[tuple[Callable[[Objects], None], str, str]] = [
    (delete_manifest, MANIFEST, "missing"),
    (damage_manifest, MANIFEST, "cannot be read as the manifest"),
    (change_rows, RECORD, "counts 32 neurons, its units 33"),
    (change_unit_settings, RECORD, f"has other settings than its unit {UNIT.id}"),
    (change_profile, RECORD, "has other settings than _units/profiles/paper.json"),
    (damage_record, RECORD, "cannot be read as the publication"),
]


@pytest.mark.parametrize(("damage", "key", "what"), DAMAGE, ids=[damage.__name__ for damage, _, _ in DAMAGE])
def test_damaged_records_are_found(swept: Objects, damage: Callable[[Objects], None], key: str, what: str) -> None:
    damage(swept)
    assert any(partition == MOE.path and k == key and what in w for partition, k, w in problems(swept))


@pytest.mark.parametrize(
    "key",
    [
        table_key("neurons", MOE, 1),
        f"models/{MOE.path}/copy.parquet",
        "neurons/loose.parquet",
        "layers/model=x/y.parquet",
    ],
)
def test_a_file_that_no_publication_names_is_found(swept: Objects, key: str) -> None:
    swept.put(key, b"doubled rows")
    assert [(found, what) for _, found, what in problems(swept)] == [(key, "no publication names this file")]


def test_a_stray_key_among_the_workers_own_is_found(swept: Objects) -> None:
    swept.put("_units/model=x/stray.json", b"{}")
    assert problems(swept) == [("model=x", "_units/model=x/stray.json", "lies in no partition")]


def test_a_model_that_is_not_published_is_found(swept: Objects) -> None:
    other = Partition("org/unfinished", "c" * 40, "paper")
    commit(swept, other, UnitKey(0, "mlp"))
    assert problems(swept) == [(other.path, published_key(other), "not published")]
    assert verify_store(swept).units == 4


def test_a_model_killed_while_publishing_is_found(swept: Objects) -> None:
    other = Partition("org/unfinished", "c" * 40, "paper")
    with pytest.raises(KilledError):
        sweep(Interrupted(swept, 3 * len(DENSE_UNITS) + 1), other, DENSE_UNITS)
    assert problems(swept) == [
        (other.path, published_key(other), "not published"),
        (other.path, table_key("neurons", other), "no publication names this file"),
    ]


def test_a_raw_object_alone_makes_its_model_unpublished(objects: Objects) -> None:
    with pytest.raises(KilledError):
        commit(Interrupted(objects, 1), LLAMA, DENSE_UNITS[0])
    assert problems(objects) == [(LLAMA.path, published_key(LLAMA), "not published")]


@pytest.mark.parametrize("key", [RAW, TABLE])
def test_the_cure_of_a_problem_is_to_delete_and_sweep_again(swept: Objects, key: str) -> None:
    swept.put(key, altered(swept.get(key)))
    swept.delete(key)
    swept.delete(published_key(MOE))
    sweep(swept, MOE, MOE_UNITS[:2])
    assert problems(swept) == []
    assert published(swept, MOE, IDENTITY) is not None


def test_other_files_beside_the_dataset_are_none_of_its_business(tmp_path: Path, folder_objects: Objects) -> None:
    claim_profile(folder_objects, PROFILE)
    sweep(folder_objects)
    folder_objects.put("report/index.html", b"<html>")
    assert problems(folder_objects) == []
