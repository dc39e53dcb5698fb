"""Activation statistics in the store: committed shard by shard, merged, published; killed anywhere, the same bytes."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from gated_ray.errors import InputError, StoreError
from gated_ray.settings import StatisticsSettings, StoreSettings
from gated_ray.store.catalogue import open_store
from gated_ray.store.folder import FolderObjects
from gated_ray.store.keys import ACTIVATION_TABLES, Partition, ShardKey, manifest_key, published_key, raw_key
from gated_ray.store.objects import Objects
from gated_ray.store.parquet import to_parquet
from gated_ray.store.profiles import claim_statistics
from gated_ray.store.publication import published
from gated_ray.store.units import CorruptUnitsError
from gated_ray.store.verify import verify_store
from gated_ray.vocabulary import QUADRANTS
from tests.store.made_up import Interrupted, KilledError
from tests.store.made_up_statistics import (
    DOCUMENTS,
    IDENTITY,
    NEURONS,
    PARTITION,
    PARTS,
    SHARDS,
    SIGNS,
    commit,
    make,
    publish,
    statistics,
    tables,
)


def held(objects: Objects) -> dict[str, bytes]:
    return {stored.key: objects.get(stored.key) for stored in objects.list("")}


def problems(objects: Objects) -> list[str]:
    return [str(problem) for problem in verify_store(objects).problems]


def test_partitions_with_a_dataset() -> None:
    assert PARTITION.path == f"model=org--model/revision={'0' * 40}/dataset=my..20texts/profile=paper"
    assert Partition.parse(PARTITION.path) == PARTITION
    assert PARTITION.of_weights.path == f"model=org--model/revision={'0' * 40}/profile=paper"
    assert PARTITION.columns["dataset_name"] == "my texts"
    with pytest.raises(InputError, match="dataset name"):
        Partition("org/model", "0" * 40, "paper", "x" * 300)


def test_published_rows(objects: Objects, store_settings: StoreSettings) -> None:
    publication = make(objects)
    assert published(objects, PARTITION, IDENTITY) == publication
    assert problems(objects) == []
    assert publication.rows["activations"] == 3 * NEURONS
    store = open_store(store_settings.url, store_settings.endpoint_url)
    rows = store.activations().to_table().to_pylist()
    assert [(each["layer"], each["component"], each["expert"], each["neuron"]) for each in rows] == [
        (layer, component, expert, neuron)
        for part in PARTS.values()
        for layer, component, expert in part
        for neuron in range(NEURONS)
    ]
    for place in range(3):
        shards = [statistics(shard, place) for shard in range(SHARDS)]
        for neuron in range(NEURONS):
            row = rows[place * NEURONS + neuron]
            assert row["tokens"] == 40 * SHARDS
            assert row["routed_share"] == (None if place == 0 else 1.0)
            # The first quadrant of a neuron whose sign is flipped is what was counted in the second.
            counted = sum(int(each.counts[1 if SIGNS[neuron] < 0 else 0, neuron]) for each in shards)
            summed = sum(float(each.sums[4 if SIGNS[neuron] < 0 else 0, neuron]) for each in shards)
            assert row[f"{QUADRANTS[0]}_freq"] == counted / (40 * SHARDS)
            np.testing.assert_allclose(
                row[f"{QUADRANTS[0]}_mean_post"], int(SIGNS[neuron]) * summed / counted, rtol=1e-12
            )
    (row,) = store.activation_models().to_pylist()
    assert (row["documents"], row["tokens"], row["cut_documents"], row["seconds"]) == (DOCUMENTS * SHARDS, 120, 3, 3.0)
    examples = store.examples().to_table()
    assert examples.num_rows == 3 * NEURONS * 14 * 2
    assert set(examples["document"].to_pylist()) == set(range(DOCUMENTS * SHARDS))


def test_killed_before_any_write_and_run_again(tmp_path: Path) -> None:
    undisturbed = FolderObjects(str(tmp_path / "undisturbed"))
    make(undisturbed)
    expected = held(undisturbed)
    for writes in range(100):
        url = str(tmp_path / str(writes))
        try:
            make(Interrupted(FolderObjects(url), writes))
        except KilledError:
            again = FolderObjects(url)
            make(again)
            assert held(again) == expected, writes
        else:
            break
    assert 10 < writes < 99


def test_a_damaged_shard_is_done_again(objects: Objects) -> None:
    make(objects)
    before = held(objects)
    key = raw_key("statistics", PARTITION, ShardKey(1), next(iter(PARTS)))
    objects.put(key, b"not parquet")
    assert any(key in problem for problem in problems(objects))
    assert published(objects, PARTITION, IDENTITY) is None  # a late write shows
    with pytest.raises(CorruptUnitsError, match="shard-00001"):
        publish(objects)
    make(objects)
    assert held(objects) == before
    assert problems(objects) == []


def test_the_order_of_shards_changes_nothing(objects: Objects) -> None:
    make(objects)
    before = held(objects)
    publish(objects, reversed(range(SHARDS)))
    assert held(objects) == before


def test_a_shard_that_changes_while_it_is_merged_is_done_again(objects: Objects) -> None:
    """Between the look at all of them and the reading of each."""
    make(objects)
    key = raw_key("statistics", PARTITION, ShardKey(1), next(iter(PARTS)))

    class Late(Interrupted):
        def get(self, asked: str) -> bytes:
            body = super().get(asked)
            if asked == key:
                (_, late), *_ = tables(1, other=1e-12)
                self.put(key, to_parquet([late], late.schema))
            return body

    with pytest.raises(CorruptUnitsError, match="shard-00001"):
        publish(Late(objects, 99))


def test_who_comes_late_changes_nothing(objects: Objects) -> None:
    """Another run of the same shard may differ in the last digits: the first one counts."""
    make(objects)
    before = held(objects)
    commit(objects, 2, other=1e-12)
    assert held(objects) == before
    commit(objects, 2, other=1e-12, identity=IDENTITY | {"blocks": "c"})  # another understanding of the model
    assert held(objects) != before


def test_a_shard_that_is_gone_is_missed(objects: Objects) -> None:
    make(objects)
    objects.delete(manifest_key(PARTITION, ShardKey(0)))
    assert any("missing" in problem for problem in problems(objects))
    assert published(objects, PARTITION, IDENTITY) is None


def test_statistics_without_a_record_are_not_shown(objects: Objects, store_settings: StoreSettings) -> None:
    make(objects)
    objects.delete(published_key(PARTITION))
    with pytest.raises(InputError, match="no published models"):
        open_store(store_settings.url, store_settings.endpoint_url)
    assert [problem for problem in problems(objects) if "not published" in problem] != []


def test_the_same_settings_under_one_name(objects: Objects) -> None:
    claim_statistics(objects, "texts", "paper", StatisticsSettings())
    claim_statistics(objects, "texts", "paper", StatisticsSettings(batch_tokens=7))  # changes no number
    claim_statistics(objects, "other", "paper", StatisticsSettings(top=8))
    for write in (True, False):
        with pytest.raises(StoreError, match="dtype is 'float32' there and 'bfloat16' here"):
            claim_statistics(objects, "texts", "paper", StatisticsSettings(dtype="bfloat16"), write=write)
    assert problems(objects) == []


def test_every_file_says_what_its_columns_mean(tmp_path: Path) -> None:
    objects = FolderObjects(str(tmp_path))
    make(objects)
    for table in ACTIVATION_TABLES:
        (file,) = (tmp_path / table).rglob("*.parquet")
        schema = pq.read_schema(file)
        assert all(field.metadata[b"description"] for field in schema)
