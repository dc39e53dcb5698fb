"""Publishing: all rows once, in order, the record last, the same bytes whatever happened before."""

import io
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gated_ray.errors import CorruptionError
from gated_ray.neurons.summaries import summarise_neurons
from gated_ray.store.folder import FolderObjects
from gated_ray.store.keys import Partition, UnitKey, published_key, raw_key, table_folder, table_key
from gated_ray.store.objects import Objects, StoredObject
from gated_ray.store.parquet import from_parquet
from gated_ray.store.publication import read_publication
from gated_ray.store.publish import CorruptUnitsError, Publication, publish, published
from gated_ray.store.records import sha256
from gated_ray.store.schemas import LAYERS, MODELS, NEURONS
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
    model_row,
    sweep,
    unit_tables,
)


def expected_rows(partition: Partition, units: Sequence[UnitKey], table: int) -> list[dict[str, object]]:
    made = pa.concat_tables(unit_tables(unit)[table] for unit in units)
    return [row | partition.columns for row in made.to_pylist()]


def read_table(objects: Objects, publication: Publication, table: str, schema: pa.Schema) -> list[dict[str, object]]:
    files = [from_parquet(objects.get(key), schema) for key in publication.keys(table)]
    rows: list[dict[str, object]] = pa.concat_tables(files).to_pylist()
    return rows


def publish_moe(objects: Objects, units: Sequence[UnitKey] = MOE_UNITS) -> Publication:
    return publish(objects, MOE, units, model_row(MOE), identity=IDENTITY, summarise=summarise_neurons)


def test_published_tables_hold_every_row_once_and_in_order(objects: Objects) -> None:
    for unit in reversed(MOE_UNITS):
        commit(objects, MOE, unit)
    publication = publish_moe(objects, list(reversed(MOE_UNITS)))
    assert read_table(objects, publication, "neurons", NEURONS) == expected_rows(MOE, MOE_UNITS, 0)
    assert read_table(objects, publication, "layers", LAYERS) == expected_rows(MOE, MOE_UNITS, 1)
    assert publication.rows == {"neurons": 14 * D_MLP, "layers": 14, "expert_layers": 2, "models": 1}
    assert publication.units == tuple(unit.id for unit in MOE_UNITS)
    assert [each.key for each in publication.tables] == [
        table_key(table, MOE) for table in ("neurons", "layers", "expert_layers", "models")
    ]


def test_the_models_row_is_completed_from_the_units(objects: Objects) -> None:
    publication = sweep(objects, MOE, MOE_UNITS)
    (row,) = read_table(objects, publication, "models", MODELS)
    assert row == {
        **model_row(MOE), **MOE.columns,
        "blocks": 14, "neurons": 14 * D_MLP, "neurons_without_cosine": 14, "bytes_read": 5000, "seconds": 1.25,
    }  # fmt: skip


def test_a_models_row_that_does_not_fit_is_refused_before_anything_is_written(folder_objects: Objects) -> None:
    commit(folder_objects, LLAMA, DENSE_UNITS[0])
    for row in (
        {**model_row(LLAMA), "flavour": "vanilla"},
        {"source": "hub"},
        {**model_row(LLAMA), "gated": "yes"},
    ):
        with pytest.raises(ValueError, match="column"):
            publish(folder_objects, LLAMA, DENSE_UNITS[:1], row, identity=IDENTITY, summarise=summarise_neurons)
    assert list(folder_objects.list(table_folder("neurons", LLAMA))) == []


def test_a_published_model_is_known_by_its_identity(objects: Objects) -> None:
    assert published(objects, LLAMA, IDENTITY) is None
    publication = sweep(objects)
    assert published(objects, LLAMA, IDENTITY) == publication
    assert published(objects, LLAMA, {**IDENTITY, "seed": 1}) is None
    assert published(objects, MOE, IDENTITY) is None


@pytest.mark.parametrize("table", ["neurons", "layers", "models"])
def test_a_model_with_a_table_gone_or_cut_short_is_not_published(objects: Objects, table: str) -> None:
    before = sweep(objects)
    whole = contents(objects)
    key = table_key(table, LLAMA)
    objects.delete(key)
    assert published(objects, LLAMA, IDENTITY) is None
    objects.put(key, whole[key][:-1])
    assert published(objects, LLAMA, IDENTITY) is None
    assert sweep(objects) == before
    assert contents(objects) == whole


def test_an_unreadable_record_is_no_publication(objects: Objects) -> None:
    sweep(objects)
    whole = contents(objects)
    objects.put(published_key(LLAMA), whole[published_key(LLAMA)][:-10])
    assert published(objects, LLAMA, IDENTITY) is None
    sweep(objects)
    assert contents(objects) == whole


def test_the_same_units_give_the_same_bytes_in_every_store(objects: Objects, folder_objects: Objects) -> None:
    sweep(objects, MOE, MOE_UNITS)
    sweep(folder_objects, MOE, MOE_UNITS)
    assert contents(objects) == contents(folder_objects)


def test_a_large_model_is_split_into_parts_with_a_row_group_for_each_layer_and_component(objects: Objects) -> None:
    publication = sweep(objects, MOE, MOE_UNITS, part_rows=7 * D_MLP)
    assert publication.keys("neurons") == [table_key("neurons", MOE, part) for part in range(2)]
    groups = []
    for key in publication.keys("neurons"):
        file = pq.ParquetFile(io.BytesIO(objects.get(key)))
        groups.append([file.read_row_group(number) for number in range(file.num_row_groups)])
    runs = [[(g["layer"].unique().to_pylist(), g["component"].unique().to_pylist()) for g in part] for part in groups]
    assert runs == [[([0], ["mlp"]), ([1], ["expert"])], [([1], ["shared_expert"]), ([2], ["expert"])]]
    assert read_table(objects, publication, "neurons", NEURONS) == expected_rows(MOE, MOE_UNITS, 0)


def test_fewer_parts_leave_nothing_of_the_old_ones(objects: Objects) -> None:
    sweep(objects, MOE, MOE_UNITS)
    whole = contents(objects)
    publish(objects, MOE, MOE_UNITS, model_row(MOE), identity=IDENTITY, summarise=summarise_neurons, part_rows=1)
    assert len(list(objects.list(table_folder("neurons", MOE)))) == 4
    assert publish_moe(objects) == published(objects, MOE, IDENTITY)
    assert contents(objects) == whole


def test_files_are_zstd_with_statistics_and_dictionaries_for_strings(folder_objects: Objects) -> None:
    publication = sweep(folder_objects)
    (key,) = publication.keys("neurons")
    group = pq.ParquetFile(io.BytesIO(folder_objects.get(key))).metadata.row_group(0)
    for number in range(group.num_columns):
        column = group.column(number)
        assert column.compression == "ZSTD"
        assert column.statistics is not None
        is_text = column.path_in_schema in ("component", "io_class", *LLAMA.columns)
        assert ("RLE_DICTIONARY" in column.encodings) == is_text


def test_units_that_are_not_committed_are_named(objects: Objects) -> None:
    commit(objects, MOE, MOE_UNITS[0])
    commit(objects, MOE, MOE_UNITS[1], identity={**IDENTITY, "seed": 1})
    before = contents(objects)
    with pytest.raises(CorruptUnitsError, match=MOE_UNITS[1].id) as error:
        publish_moe(objects)
    assert error.value.units == tuple(MOE_UNITS[1:])
    assert MOE.path in str(error.value)
    assert isinstance(error.value, CorruptionError)
    assert contents(objects) == before


@pytest.mark.parametrize("table", ["neurons", "layers"])
def test_a_unit_altered_at_the_same_size_is_named_and_can_be_done_again(objects: Objects, table: str) -> None:
    for unit in MOE_UNITS:
        commit(objects, MOE, unit)
    whole = contents(objects)
    key = raw_key(table, MOE, MOE_UNITS[2])
    body = bytearray(whole[key])
    body[len(body) // 2] ^= 1
    objects.put(key, bytes(body))
    with pytest.raises(CorruptUnitsError) as error:
        publish_moe(objects)
    assert error.value.units == (MOE_UNITS[2],)
    for unit in error.value.units:
        commit(objects, MOE, unit)
    assert contents(objects) == whole
    publish_moe(objects)


@pytest.mark.parametrize("change", [1, 2])
def test_two_writers_with_different_numbers_are_never_mixed(objects: Objects, change: int) -> None:
    """The same unit on another device may differ in the last bit; half of each must not be published."""
    unit = DENSE_UNITS[0]
    late = Interrupted(objects, change, lambda: commit(objects, LLAMA, unit, seed=1))
    commit(late, LLAMA, unit)
    with pytest.raises(CorruptUnitsError):
        publish(objects, LLAMA, [unit], model_row(LLAMA), identity=IDENTITY, summarise=summarise_neurons)
    commit(objects, LLAMA, unit)
    publication = publish(objects, LLAMA, [unit], model_row(LLAMA), identity=IDENTITY, summarise=summarise_neurons)
    assert read_table(objects, publication, "neurons", NEURONS) == expected_rows(LLAMA, [unit], 0)


def test_a_unit_overwritten_while_publishing_is_named(objects: Objects) -> None:
    for unit in DENSE_UNITS:
        commit(objects, LLAMA, unit)
    late = Interrupted(objects, 0, lambda: commit(objects, LLAMA, DENSE_UNITS[2], seed=1))
    with pytest.raises(CorruptUnitsError) as error:
        publish(late, LLAMA, DENSE_UNITS, model_row(LLAMA), identity=IDENTITY, summarise=summarise_neurons, part_rows=1)
    assert error.value.units == (DENSE_UNITS[2],)
    assert published(objects, LLAMA, IDENTITY) is None


@pytest.mark.parametrize("changes", [1, 2, 3])
def test_what_a_late_writer_does_to_a_published_model_is_found_and_mended(objects: Objects, changes: int) -> None:
    """Its numbers differ, as another device's may; it dies after so many of its three writes, or not at all."""
    sweep(objects, LLAMA, DENSE_UNITS)
    whole = contents(objects)
    assert published(objects, LLAMA, IDENTITY) is not None
    with suppress(KilledError):
        commit(Interrupted(objects, changes), LLAMA, DENSE_UNITS[1], seed=1)
    assert published(objects, LLAMA, IDENTITY) is None
    if changes < 3:  # half a unit: done again
        with pytest.raises(CorruptUnitsError) as error:
            publish_llama(objects)
        assert error.value.units == (DENSE_UNITS[1],)
        commit(objects, LLAMA, DENSE_UNITS[1])
        publish_llama(objects)
        assert contents(objects) == whole
    else:  # a whole unit, as good as the one before
        publish_llama(objects)
    assert published(objects, LLAMA, IDENTITY) is not None


def test_a_late_writer_of_the_same_numbers_does_no_harm(objects: Objects) -> None:
    sweep(objects, LLAMA, DENSE_UNITS)
    whole = contents(objects)
    commit(objects, LLAMA, DENSE_UNITS[1], seconds=99.0)
    assert published(objects, LLAMA, IDENTITY) is not None
    assert contents(objects) == whole


def publish_llama(objects: Objects) -> Publication:
    return publish(objects, LLAMA, DENSE_UNITS, model_row(LLAMA), identity=IDENTITY, summarise=summarise_neurons)


def test_a_record_of_an_earlier_form_is_written_again_from_the_same_units(objects: Objects) -> None:
    sweep(objects, LLAMA, DENSE_UNITS)
    whole = contents(objects)
    record = json.loads(whole[published_key(LLAMA)])
    del record["state"]
    objects.put(published_key(LLAMA), json.dumps(record | {"format": 3}).encode())
    assert published(objects, LLAMA, IDENTITY) is None
    publish_llama(objects)
    assert contents(objects) == whole


def test_units_that_overlap_are_refused(folder_objects: Objects) -> None:
    with pytest.raises(ValueError, match="overlap"):
        publish_moe(folder_objects, [UnitKey(1, "expert", 0, 3), UnitKey(1, "expert", 3, 5)])
    with pytest.raises(ValueError, match="without units"):
        publish_moe(folder_objects, [])


def test_killed_anywhere_and_done_again_the_store_ends_the_same(objects: Objects, folder_objects: Objects) -> None:
    units = MOE_UNITS[:2]
    sweep(folder_objects, MOE, units, part_rows=1)
    whole = contents(folder_objects)
    for changes in range(len(whole)):
        with pytest.raises(KilledError):
            sweep(Interrupted(objects, changes), MOE, units, part_rows=1)
        assert len(contents(objects)) == changes
        assert published(objects, MOE, IDENTITY) is None
        sweep(objects, MOE, units, part_rows=1)
        assert contents(objects) == whole
        for key in whole:
            objects.delete(key)


class Sizeless(FolderObjects):
    """A folder in which all objects seem to have one size: what other numbers look like to a folder's listing."""

    def put(self, key: str, body: bytes) -> StoredObject:
        return replace(super().put(key, body), size=0)

    def list(self, prefix: str, *, digest: bool = False) -> Iterator[StoredObject]:
        return (replace(stored, size=0) for stored in super().list(prefix, digest=digest))


def test_killed_anywhere_while_publishing_other_numbers_no_mixture_counts_as_published(tmp_path: Path) -> None:
    objects, units = Sizeless(str(tmp_path)), MOE_UNITS[:3]

    def publish_numbers(seed: int, to: Objects) -> None:
        for unit in units:
            commit(objects, MOE, unit, seed=seed)
        publish(to, MOE, units, model_row(MOE), identity=IDENTITY, summarise=summarise_neurons, part_rows=1)

    # Two parts of neurons, layers, models, the record, and the earlier record's removal.
    for changes in range(6):
        publish_numbers(0, objects)
        with pytest.raises(KilledError):
            publish_numbers(1, Interrupted(objects, changes))
        assert published(objects, MOE, IDENTITY) is None
        found = read_publication(objects, MOE)  # as a reader does
        assert (found is not None) == (changes == 0)
        assert found is None or all(sha256(objects.get(each.key)) == each.sha256 for each in found.tables)


def test_publishing_the_same_again_never_takes_the_publication_away(objects: Objects) -> None:
    publication = sweep(objects, MOE, MOE_UNITS, part_rows=1)
    for changes in range(7):  # four parts of neurons, layers, models and the record
        with pytest.raises(KilledError):
            publish(
                Interrupted(objects, changes),
                MOE,
                MOE_UNITS,
                model_row(MOE),
                identity=IDENTITY,
                summarise=summarise_neurons,
                part_rows=1,
            )
        assert published(objects, MOE, IDENTITY) == publication
