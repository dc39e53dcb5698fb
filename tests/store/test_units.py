"""A unit is committed when its manifest is there and its objects are what the manifest says; else it is done again."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from gated_ray.store.folder import FolderObjects
from gated_ray.store.keys import UnitKey, manifest_key, raw_key
from gated_ray.store.objects import Objects, StoredObject
from gated_ray.store.parquet import from_parquet
from gated_ray.store.schemas import LAYERS, NEURONS
from gated_ray.store.units import Manifest, commit_unit, committed_units
from tests.store.made_up import (
    D_MLP,
    DENSE_UNITS,
    IDENTITY,
    LLAMA,
    MOE,
    MOE_UNITS,
    Interrupted,
    KilledError,
    commit,
    contents,
    unit_tables,
)

UNIT = UnitKey(1, "expert", 3, 5)


def test_a_unit_comes_back_as_it_was_committed(objects: Objects) -> None:
    manifest = commit(objects, MOE, UNIT)
    assert committed_units(objects, MOE, IDENTITY) == {UNIT.id: manifest}
    assert manifest.rows == 3 * D_MLP
    assert [each.key for each in manifest.objects] == [raw_key(table, MOE, UNIT) for table in ("neurons", "layers")]
    neurons, layers = unit_tables(UNIT)
    for key, schema, made in zip(
        (each.key for each in manifest.objects), (NEURONS, LAYERS), (neurons, layers), strict=True
    ):
        stored = from_parquet(objects.get(key), schema)
        assert stored.select(made.column_names).to_pylist() == made.to_pylist()
        assert stored.slice(0, 1).select(list(MOE.columns)).to_pylist() == [MOE.columns]


def test_nothing_is_committed_in_an_empty_store(objects: Objects) -> None:
    assert committed_units(objects, LLAMA, IDENTITY) == {}


def test_doing_a_unit_twice_gives_the_same_keys_and_bytes(objects: Objects) -> None:
    commit(objects, MOE, UNIT)
    before = contents(objects)
    commit(objects, MOE, UNIT)
    assert contents(objects) == before


def test_rows_in_any_order_and_wider_types_give_the_same_bytes(objects: Objects) -> None:
    commit(objects, MOE, UNIT)
    before = contents(objects)
    neurons, layers = unit_tables(UNIT)
    shuffled = neurons.take(np.random.default_rng(0).permutation(neurons.num_rows))
    shuffled = shuffled.select(list(reversed(shuffled.column_names)))
    for name, kind in (("io_class", pa.string()), ("layer", pa.int64()), ("cos_in_out", pa.float64())):
        place = shuffled.column_names.index(name)
        shuffled = shuffled.set_column(place, name, shuffled[name].cast(kind))
    commit_tables(objects, shuffled, layers.take([2, 0, 1]))
    assert contents(objects) == before


def commit_tables(objects: Objects, neurons: pa.Table, layers: pa.Table, unit: UnitKey = UNIT) -> Manifest:
    return commit_unit(
        objects, MOE, unit, neurons, layers,
        identity=IDENTITY, bytes_read=1000, seconds=0.25, versions={"torch": "2.0"},
        digests={"layers.1.down_proj.weight": "ab" * 8},
    )  # fmt: skip


def replaced(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, values)


WRONG: dict[str, Callable[[pa.Table, pa.Table], tuple[pa.Table, pa.Table]]] = {
    "missing": lambda n, s: (n.drop_columns(["sign"]), s),
    "unknown": lambda n, s: (n.append_column("extra", n["sign"]), s),
    "doubled": lambda n, s: (n.append_column("sign", n["sign"]), s),
    "is string and not": lambda n, s: (replaced(n, "norm_in", pa.array(["1.0"] * n.num_rows)), s),
    "is double and not": lambda n, s: (replaced(n, "neuron", n["neuron"].cast(pa.float64())), s),
    "not in range": lambda n, s: (replaced(n, "sign", pa.array([1000] * n.num_rows)), s),
    "unknown names": lambda n, s: (replaced(n, "io_class", pa.array(["strengthening"] * n.num_rows)), s),
    "contradicts": lambda n, s: (n.append_column("model_name", pa.array(["other"] * n.num_rows)), s),
    "rows whose layer": lambda n, s: (replaced(n, "layer", pa.array([7] * n.num_rows)), s),
    "rows whose component": lambda n, s: (n, replaced(s, "component", pa.array(["mlp"] * s.num_rows))),
    "layers are of the experts": lambda n, s: (n, s.slice(1)),
    "the neurons' experts": lambda n, s: (n.slice(D_MLP), s),
    "missing or doubled": lambda n, s: (replaced(n, "neuron", pa.array([0, *range(D_MLP - 1)] * 3)), s),
    "empty": lambda n, s: (n.slice(0, 0), s.slice(0, 0)),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_table_that_is_not_the_units_is_refused_before_anything_is_stored(folder_objects: Objects, what: str) -> None:
    neurons, layers = WRONG[what](*unit_tables(UNIT))
    with pytest.raises((ValueError, pa.ArrowInvalid), match=None if what == "empty" else what):
        commit_tables(folder_objects, neurons, layers)
    assert contents(folder_objects) == {}


@pytest.mark.parametrize("puts", [0, 1, 2])
def test_a_unit_is_not_committed_before_its_manifest(objects: Objects, puts: int) -> None:
    with pytest.raises(KilledError):
        commit(Interrupted(objects, puts), LLAMA, DENSE_UNITS[0])
    assert len(contents(objects)) == puts
    assert committed_units(objects, LLAMA, IDENTITY) == {}


def test_a_unit_whose_object_is_gone_or_cut_short_is_done_again(objects: Objects) -> None:
    for unit in MOE_UNITS:
        commit(objects, MOE, unit)
    gone, cut = raw_key("neurons", MOE, MOE_UNITS[1]), raw_key("layers", MOE, MOE_UNITS[3])
    objects.delete(gone)
    objects.put(cut, objects.get(cut)[:-1])
    expected = {unit.id for unit in MOE_UNITS} - {MOE_UNITS[1].id, MOE_UNITS[3].id}
    assert set(committed_units(objects, MOE, IDENTITY)) == expected


def test_a_unit_altered_at_the_same_size_is_done_again_where_the_listing_tells(s3_objects: Objects) -> None:
    commit(s3_objects, LLAMA, DENSE_UNITS[0])
    key = raw_key("neurons", LLAMA, DENSE_UNITS[0])
    body = bytearray(s3_objects.get(key))
    body[100] ^= 1
    s3_objects.put(key, bytes(body))
    assert committed_units(s3_objects, LLAMA, IDENTITY) == {}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"{}", b'{"format": 3}', b'{"format": 3, "unit": 3}'])
def test_a_unit_with_an_unreadable_manifest_is_done_again(folder_objects: Objects, body: bytes) -> None:
    commit(folder_objects, LLAMA, DENSE_UNITS[0])
    folder_objects.put(manifest_key(LLAMA, DENSE_UNITS[0]), body)
    assert committed_units(folder_objects, LLAMA, IDENTITY) == {}


def test_a_manifest_in_the_wrong_place_does_not_count(objects: Objects) -> None:
    commit(objects, LLAMA, DENSE_UNITS[0])
    commit(objects, MOE, DENSE_UNITS[0])
    stray = objects.get(manifest_key(LLAMA, DENSE_UNITS[0]))
    objects.put(manifest_key(LLAMA, DENSE_UNITS[1]), stray)
    objects.put(manifest_key(MOE, DENSE_UNITS[0]), stray)
    assert set(committed_units(objects, LLAMA, IDENTITY)) == {DENSE_UNITS[0].id}
    assert committed_units(objects, MOE, IDENTITY) == {}


def test_a_manifest_of_another_format_does_not_count(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(objects, LLAMA, DENSE_UNITS[0])
    monkeypatch.setattr("gated_ray.store.records.FORMAT", 99)
    assert committed_units(objects, LLAMA, IDENTITY) == {}


def test_units_of_other_settings_do_not_count(objects: Objects) -> None:
    commit(objects, LLAMA, DENSE_UNITS[0])
    commit(objects, LLAMA, DENSE_UNITS[1], identity={**IDENTITY, "seed": 1})
    assert set(committed_units(objects, LLAMA, IDENTITY)) == {DENSE_UNITS[0].id}


def test_partitions_do_not_see_each_other(objects: Objects) -> None:
    commit(objects, LLAMA, DENSE_UNITS[0])
    for partition in (
        MOE,
        type(LLAMA)(LLAMA.model, "b" * 40, "paper"),
        type(LLAMA)(LLAMA.model, LLAMA.revision, "pap"),
    ):
        assert committed_units(objects, partition, IDENTITY) == {}


@pytest.mark.parametrize("change", range(3))
def test_two_writers_of_one_unit_leave_one_unit(objects: Objects, change: int) -> None:
    """A worker taken for dead writes on, after its successor did the whole unit between any two of its PUTs."""
    late = Interrupted(objects, change, lambda: commit(objects, LLAMA, DENSE_UNITS[0], seconds=9.0))
    manifest = commit(late, LLAMA, DENSE_UNITS[0])
    assert set(contents(objects)) == {*(each.key for each in manifest.objects), manifest_key(LLAMA, DENSE_UNITS[0])}
    assert committed_units(objects, LLAMA, IDENTITY) == {DENSE_UNITS[0].id: manifest}


def test_a_late_writer_of_what_is_committed_writes_nothing(objects: Objects) -> None:
    first = commit(objects, LLAMA, DENSE_UNITS[0], seconds=1.0)
    assert commit(Interrupted(objects, 0), LLAMA, DENSE_UNITS[0], seconds=9.0) == first


@pytest.mark.parametrize("table", ["neurons", "layers"])
def test_what_is_committed_and_damaged_is_written_again(objects: Objects, table: str) -> None:
    commit(objects, LLAMA, DENSE_UNITS[0])
    before = contents(objects)
    objects.put(raw_key(table, LLAMA, DENSE_UNITS[0]), b"damaged")
    commit(objects, LLAMA, DENSE_UNITS[0])
    assert contents(objects) == before


class _Copied(FolderObjects):
    """A folder whose listings know ETags, which are others than when it was written: what copying a bucket may do."""

    def list(self, prefix: str, *, digest: bool = False) -> Iterator[StoredObject]:
        return (replace(stored, etag=f"{stored.size}-2") for stored in super().list(prefix, digest=digest))

    def put(self, key: str, body: bytes) -> StoredObject:
        return replace(super().put(key, body), etag=f"{len(body)}-2")


def test_the_same_bytes_under_other_etags_are_committed_anew(tmp_path: Path) -> None:
    """Else a unit would be measured again and again, and never count."""
    commit(FolderObjects(str(tmp_path)), LLAMA, DENSE_UNITS[0])
    copied = _Copied(str(tmp_path))
    assert committed_units(copied, LLAMA, IDENTITY) == {}
    manifest = commit(copied, LLAMA, DENSE_UNITS[0])
    assert committed_units(copied, LLAMA, IDENTITY) == {DENSE_UNITS[0].id: manifest}


def test_writers_of_one_unit_at_the_same_time_leave_one_unit(objects: Objects) -> None:
    with ThreadPoolExecutor(4) as pool:
        manifests = list(pool.map(lambda _: commit(objects, LLAMA, DENSE_UNITS[0]), range(4)))
    assert manifests == [manifests[0]] * 4
    assert len(contents(objects)) == 3
    assert committed_units(objects, LLAMA, IDENTITY) == {DENSE_UNITS[0].id: manifests[0]}
