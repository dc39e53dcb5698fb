"""`open_store` shows what is wholly published, and nothing else, on every backend."""

import pyarrow.dataset as ds
import pytest

from gated_ray.errors import InputError, StoreError
from gated_ray.neurons.summaries import summarise_neurons
from gated_ray.settings import StoreSettings
from gated_ray.store.catalogue import Store, open_store
from gated_ray.store.keys import Partition, table_key
from gated_ray.store.objects import Objects
from gated_ray.store.publish import publish
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
    model_row,
    sweep,
    unit_tables,
)

ONE, TWO = DENSE_UNITS[1:2], MOE_UNITS[:2]


@pytest.fixture
def swept(objects: Objects) -> Objects:
    """Two published models, the second in several parts."""
    sweep(objects, LLAMA, ONE)
    sweep(objects, MOE, TWO, part_rows=1)
    return objects


@pytest.fixture
def store(store_settings: StoreSettings, swept: Objects) -> Store:
    return open_store(store_settings.url, store_settings.endpoint_url)


def test_neurons_come_back_as_they_were_stored(store: Store) -> None:
    table = store.neurons().to_table()
    assert table.schema.equals(NEURONS)
    made = [
        row | partition.columns
        for partition, units in ((LLAMA, ONE), (MOE, TWO))
        for unit in units
        for row in unit_tables(unit)[0].to_pylist()
    ]
    assert table.to_pylist() == made


def test_repr_says_where_it_is_and_how_much_is_there(store: Store, swept: Objects) -> None:
    assert repr(store) == f"Store({swept.url!r}, 2 published)"


def test_a_query_reads_columns_and_rows_of_its_choice(store: Store) -> None:
    wanted = (ds.field("layer") == 1) & (ds.field("model_name") == LLAMA.model)
    table = store.neurons().to_table(columns=["model_name", "neuron", "io_class"], filter=wanted)
    assert table.column_names == ["model_name", "neuron", "io_class"]
    assert table["neuron"].to_pylist() == list(range(D_MLP))


def test_files_of_other_partitions_are_not_opened(store: Store) -> None:
    fragments = list(store.neurons().get_fragments(filter=ds.field("model_name") == LLAMA.model))
    assert len(fragments) == 1


@pytest.mark.parametrize("name", [LLAMA.model, LLAMA.encoded_model])
def test_a_model_is_found_by_its_name_and_by_its_encoded_name(store: Store, name: str) -> None:
    assert store.neurons(model=name).count_rows() == D_MLP
    layers = store.layers(model=name, revision=LLAMA.revision, profile="paper")
    assert layers["model_name"].unique().to_pylist() == [LLAMA.model]


def test_layers_and_models_have_the_datasets_schemas(store: Store) -> None:
    assert store.layers().schema.equals(LAYERS)
    assert store.layers().num_rows == 1 + 4
    assert store.models().schema.equals(MODELS)
    assert store.models()["model_name"].to_pylist() == [LLAMA.model, MOE.model]


def test_what_is_not_there_is_an_input_error_that_says_what_is(store: Store) -> None:
    for asked in ({"model": "org/none"}, {"revision": "b" * 40}, {"model": LLAMA.model, "profile": "residual"}):
        with pytest.raises(InputError, match=r"models there: meta-llama/Llama-3\.1-8B, org/moe$") as error:
            store.neurons(**asked)
        assert all(f"{name}={value!r}" in str(error.value) for name, value in asked.items())


def test_an_empty_store_is_an_input_error(store_settings: StoreSettings) -> None:
    with pytest.raises(InputError, match="no published models there") as error:
        open_store(store_settings.url, store_settings.endpoint_url)
    assert "\n" not in str(error.value)


def test_an_absent_bucket_is_a_store_error(bucket_settings: StoreSettings) -> None:
    with pytest.raises(StoreError, match="NoSuchBucket"):
        open_store("s3://no-such-bucket-here", bucket_settings.endpoint_url)


def test_a_model_is_invisible_until_its_record_is_written(store_settings: StoreSettings, swept: Objects) -> None:
    other = Partition("org/unfinished", "c" * 40, "paper")
    changes = 3 * len(ONE) + 3
    with pytest.raises(KilledError):
        sweep(Interrupted(swept, changes), other, ONE)
    assert swept.get(table_key("models", other))
    names = open_store(store_settings.url, store_settings.endpoint_url).models()["model_name"].to_pylist()
    assert names == [LLAMA.model, MOE.model]


def test_a_model_with_a_table_missing_is_invisible(store_settings: StoreSettings, swept: Objects) -> None:
    swept.delete(table_key("neurons", MOE, 1))
    assert open_store(store_settings.url, store_settings.endpoint_url).models()["model_name"].to_pylist() == [
        LLAMA.model
    ]


def test_a_half_replaced_publication_is_invisible(store_settings: StoreSettings, swept: Objects) -> None:
    for unit in ONE:
        commit(swept, LLAMA, unit, seed=1)
    with pytest.raises(KilledError):
        publish(Interrupted(swept, 2), LLAMA, ONE, model_row(LLAMA), identity=IDENTITY, summarise=summarise_neurons)
    assert open_store(store_settings.url, store_settings.endpoint_url).models()["model_name"].to_pylist() == [MOE.model]


def test_stray_keys_do_not_matter(store_settings: StoreSettings, swept: Objects) -> None:
    swept.put("models/stray.parquet", b"x")
    swept.put("neurons/model=x/stray.parquet", b"x")
    assert open_store(store_settings.url, store_settings.endpoint_url).models().num_rows == 2


def test_the_region_and_endpoint_may_come_from_the_environment(
    s3_objects: Objects, bucket_settings: StoreSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep(s3_objects)
    monkeypatch.setenv("AWS_ENDPOINT_URL", bucket_settings.endpoint_url)
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert open_store(bucket_settings.url).neurons().to_table().num_rows == 3 * D_MLP
