"""All experts of a layer together: from every neuron, each held against its own expert's region."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from gated_ray.neurons.summaries import summarise_neurons
from gated_ray.settings import StoreSettings
from gated_ray.store import parquet as parquet_module
from gated_ray.store.catalogue import open_store
from gated_ray.store.expert_layers import expert_layer
from gated_ray.store.keys import UnitKey, table_folder, table_key
from gated_ray.store.objects import Objects
from gated_ray.store.parquet import to_parquet
from gated_ray.store.schemas import EXPERT_LAYERS, NEURONS
from gated_ray.vocabulary import COSINES, IO_CLASSES, PLAIN_CLASSES
from tests.store.made_up import D_MLP, DENSE_UNITS, LLAMA, MOE, MOE_UNITS, commit, sweep, unit_tables

UNIT = UnitKey(1, "expert", 0, 5)


def replaced(table: pa.Table, **columns: list[object]) -> pa.Table:
    for name, values in columns.items():
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(name), pa.array(values, table.schema.field(name).type))
    return table


def test_statistics_are_of_all_neurons_that_have_a_cosine() -> None:
    neurons, layers = unit_tables(UNIT)
    row = expert_layer(neurons, layers, summarise_neurons)
    assert (row["layer"], row["component"], row["experts"], row["d_model"]) == (1, "expert", 6, 4)
    assert (row["neurons"], row["neurons_without_cosine"]) == (6 * D_MLP, 6)
    classes = neurons["io_class"].to_pylist()
    assert {name: row[name] for name in IO_CLASSES} == {name: classes.count(name) for name in IO_CLASSES}
    for cosine in COSINES:
        known = neurons[cosine].drop_null().to_numpy().astype(np.float64)
        assert len(known) == 6 * (D_MLP - 1)
        assert row[f"{cosine}_median"] == np.median(known)
        assert row[f"{cosine}_min"] == known.min()
    assert sum(row["cos_in_out_histogram"]) == 6 * (D_MLP - 1)


def test_each_neuron_is_held_against_its_own_experts_region() -> None:
    neurons, layers = unit_tables(UNIT)
    highs = [-2.0, 0.1, 0.2, 0.9, 2.0, None]  # all outside, some, none; no region
    lows = [-3.0, -0.1, -0.2, -0.9, -2.0, None]
    layers = replaced(layers, mismatched_in_out_high=highs, mismatched_in_out_low=lows)
    row = expert_layer(neurons, layers, summarise_neurons)
    outside = total = 0
    for expert, (low, high) in enumerate(zip(lows, highs, strict=True)):
        own = neurons.filter(pc.equal(neurons["expert"], expert))["cos_in_out"].drop_null().to_pylist()
        if high is not None:
            outside += sum(value < low or value > high for value in own)
            total += len(own)
    assert 0 < outside < total
    assert row["outside_mismatched_in_out"] == outside / total


def test_without_regions_there_are_no_shares() -> None:
    neurons, layers = unit_tables(UNIT)
    nothing = [None] * layers.num_rows
    ends = {name: nothing for name in layers.column_names if name.startswith("mismatched_") and "_in" in name}
    ends |= {f"mismatched_gate_out_{end}": nothing for end in ("low", "high")}
    row = expert_layer(neurons, replaced(layers, **ends), summarise_neurons)
    assert [row[f"outside_mismatched_{pair}"] for pair in ("gate_in", "gate_out", "in_out")] == [None] * 3
    assert row["outside_theory_in_out"] is not None


def test_plain_experts_have_the_plain_classes_only() -> None:
    neurons, layers = unit_tables(UNIT)
    nothing = [None] * neurons.num_rows
    classes = [PLAIN_CLASSES[n % 3] for n in range(neurons.num_rows)]
    neurons = replaced(neurons, cos_gate_in=nothing, cos_gate_out=nothing, io_class=classes)
    row = expert_layer(neurons, replaced(layers, gated=[False] * layers.num_rows), summarise_neurons)
    assert {name for name in IO_CLASSES if row[name] is not None} == set(PLAIN_CLASSES)
    assert row["cos_gate_in_median"] is row["outside_theory_gate_out"] is None


def test_experts_of_two_layers_are_not_mixed() -> None:
    (one, first), (other, second) = unit_tables(UNIT), unit_tables(UnitKey(2, "expert", 0, 5))
    with pytest.raises(ValueError, match="experts of one layer differ"):
        expert_layer(pa.concat_tables([one, other]), pa.concat_tables([first, second]), summarise_neurons)


def test_a_model_without_experts_has_no_such_file(store_settings: StoreSettings, objects: Objects) -> None:
    sweep(objects, LLAMA, DENSE_UNITS)
    assert list(objects.list("expert_layers/")) == []
    store = open_store(store_settings.url, store_settings.endpoint_url)
    assert store.expert_layers().num_rows == 0
    sweep(objects, MOE, MOE_UNITS)
    both = open_store(store_settings.url, store_settings.endpoint_url)
    assert both.expert_layers().schema.equals(EXPERT_LAYERS, check_metadata=True)
    assert both.expert_layers()["model_name"].unique().to_pylist() == [MOE.model]
    assert both.expert_layers(MOE.model)["layer"].to_pylist() == [1, 2]
    assert both.expert_layers(MOE.model)["experts"].to_pylist() == [6, 6]
    assert both.expert_layers(LLAMA.model).num_rows == 0


def test_a_model_without_its_expert_layers_is_invisible_and_swept_again(
    store_settings: StoreSettings, objects: Objects
) -> None:
    sweep(objects, LLAMA, DENSE_UNITS[:1])
    sweep(objects, MOE, MOE_UNITS)
    key = table_key("expert_layers", MOE)
    body = objects.get(key)
    objects.delete(key)
    assert open_store(store_settings.url, store_settings.endpoint_url).models().num_rows == 1
    sweep(objects, MOE, MOE_UNITS)
    assert objects.get(key) == body


def test_a_model_that_has_no_experts_any_more_loses_the_file(folder_objects: Objects) -> None:
    """Another understanding of the same revision: its units are others, and nothing of the old tables stays."""
    sweep(folder_objects, MOE, MOE_UNITS)
    dense = [UnitKey(layer, "mlp") for layer in range(3)]
    for unit in dense:
        commit(folder_objects, MOE, unit, seed=1)
    folder_objects.delete(table_key("models", MOE))  # so that it is published anew
    sweep(folder_objects, MOE, dense)
    assert list(folder_objects.list(table_folder("expert_layers", MOE))) == []


def test_a_very_large_layer_is_several_row_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_module, "_MOST_GROUP_ROWS", 20)
    neurons, _ = unit_tables(UNIT)
    for name, value in MOE.columns.items():
        neurons = neurons.append_column(name, pa.repeat(value, neurons.num_rows))
    file = pq.ParquetFile(io.BytesIO(to_parquet([neurons.cast(NEURONS)], NEURONS)))
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [20, 20, 8]
    assert file.read().equals(neurons.cast(NEURONS))
