"""Mixtures of experts with planted class tables, swept in units of a few experts: every expert's table comes back."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import gated_ray
from gated_ray.cluster.result import SweepResult
from gated_ray.cluster.sweep import run_sweep
from gated_ray.settings import ProfileSettings
from gated_ray.store.objects import open_objects
from gated_ray.store.schemas import EXPERT_LAYERS
from gated_ray.vocabulary import COSINES, IO_CLASSES
from tests.checkpoints.planted_experts import LAYOUTS, ExpertTables, expert_tables, plant_experts
from tests.cluster.planning import make_plan
from tests.cluster.sweeping import PARTITION, assert_sound, published_files, sweep_settings
from tests.servers.hub import HubServer

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray_session")]

EXPERTS, NEURONS, D_MODEL = 6, 66, 32
EXPERT_BYTES = 3 * NEURONS * D_MODEL * 2
UNIT_BYTES = 2 * EXPERT_BYTES + 2 * D_MODEL
"""Two experts and the norm that they share."""
SAMPLED = ProfileSettings()
DENSE_FIRST = ("qwen2_moe", "qwen3_moe")


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, ExpertTables]]:
    """A checkpoint of every layout, two layers each, with its tables."""
    parent = tmp_path_factory.mktemp("experts")
    made = {}
    for seed, (model_type, layout) in enumerate(LAYOUTS.items()):
        dense_first = model_type in DENSE_FIRST
        tables = expert_tables(2, EXPERTS, NEURONS, dense_first=dense_first, shared=layout.shared, seed=seed)
        folder = plant_experts(parent / model_type, model_type, tables, d_model=D_MODEL, seed=seed)
        made[model_type] = folder, tables
    return made


@pytest.fixture(scope="module")
def swept(
    ray_session: None, planted: dict[str, tuple[Path, ExpertTables]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, SweepResult]:
    """A store with all of them."""
    store = tmp_path_factory.mktemp("store")
    models = [folder for folder, _ in planted.values()]
    return store, run_sweep(sweep_settings(store, models, SAMPLED, max_unit_bytes=UNIT_BYTES))


def class_tables(layers: pa.Table) -> dict[tuple[int, str, int | None], dict[str, int]]:
    return {
        (row["layer"], row["component"], row["expert"]): {name: row[name] for name in IO_CLASSES}
        for row in layers.to_pylist()
    }


def test_a_layer_falls_into_units_of_two_experts(
    swept: tuple[Path, SweepResult], planted: dict[str, tuple[Path, ExpertTables]]
) -> None:
    store, result = swept
    assert result.failures == ()
    assert_sound(store, len(LAYOUTS))
    settings = sweep_settings(store, [folder for folder, _ in planted.values()], SAMPLED, max_unit_bytes=UNIT_BYTES)
    for model in make_plan(settings, open_objects(settings.store)).models:
        assert all(unit.bytes <= UNIT_BYTES for unit in model.units)
        of_experts = [(unit.key.first, unit.key.last) for unit in model.units if unit.key.component == "expert"]
        assert of_experts[:3] == [(0, 1), (2, 3), (4, 5)]


@pytest.mark.parametrize("model_type", LAYOUTS)
def test_every_experts_table_comes_back(
    swept: tuple[Path, SweepResult], planted: dict[str, tuple[Path, ExpertTables]], model_type: str
) -> None:
    store = gated_ray.open_store(str(swept[0]))
    _, tables = planted[model_type]
    expected = {place: {name: table.get(name, 0) for name in IO_CLASSES} for place, table in tables.items()}
    assert class_tables(store.layers(model_type)) == expected
    neurons = store.neurons(model_type).to_table()
    counted = neurons.group_by(["layer", "component", "expert", "io_class"]).aggregate([([], "count_all")])
    for row in counted.to_pylist():
        assert expected[row["layer"], row["component"], row["expert"]][row["io_class"]] == row["count_all"]


@pytest.mark.parametrize("model_type", LAYOUTS)
def test_all_experts_of_a_layer_together(
    swept: tuple[Path, SweepResult], planted: dict[str, tuple[Path, ExpertTables]], model_type: str
) -> None:
    """Sums of the planted tables, and statistics over all the neurons, counted here in another way."""
    store = gated_ray.open_store(str(swept[0]))
    together = store.expert_layers(model_type)
    assert together.schema.equals(EXPERT_LAYERS, check_metadata=True)
    _, tables = planted[model_type]
    layers, neurons = store.layers(model_type), store.neurons(model_type).to_table()
    with_experts = sorted({layer for layer, component, _ in tables if component == "expert"})
    assert together["layer"].to_pylist() == with_experts
    for row in together.to_pylist():
        mine = [table for place, table in tables.items() if place[:2] == (row["layer"], "expert")]
        assert (row["component"], row["experts"], row["neurons"]) == ("expert", EXPERTS, EXPERTS * NEURONS)
        assert (row["gated"], row["d_model"], row["neurons_without_cosine"]) == (True, D_MODEL, 0)
        assert {name: row[name] for name in IO_CLASSES} == {
            name: sum(table.get(name, 0) for table in mine) for name in IO_CLASSES
        }
        chosen = (pc.field("layer") == row["layer"]) & (pc.field("component") == "expert")
        ours, blocks = neurons.filter(chosen), layers.filter(chosen)
        for cosine in COSINES:
            pair = cosine.removeprefix("cos_")
            values = ours[cosine].to_numpy().astype(np.float64)
            assert row[f"{cosine}_median"] == pytest.approx(np.median(values), abs=1e-12)
            assert row[f"{cosine}_mean"] == pytest.approx(values.mean(), abs=1e-12)
            assert row[f"{cosine}_max"] == values.max()
            assert row[f"outside_theory_{pair}"] == np.mean(np.abs(values) > row["theory_high"])
            shares = blocks[f"outside_mismatched_{pair}"].to_numpy()  # experts of one size
            assert row[f"outside_mismatched_{pair}"] == pytest.approx(shares.mean(), abs=1e-12)
        histograms = np.array(blocks["cos_in_out_histogram"].to_pylist())
        assert row["cos_in_out_histogram"] == histograms.sum(axis=0).tolist()


@pytest.mark.parametrize("model_type", ["qwen2_moe", "gpt_oss"])
def test_analyze_says_the_same(
    swept: tuple[Path, SweepResult], planted: dict[str, tuple[Path, ExpertTables]], model_type: str
) -> None:
    store = gated_ray.open_store(str(swept[0]))
    alone = gated_ray.analyze(str(planted[model_type][0]))
    read = store.neurons(model_type).to_table(), store.layers(model_type), store.expert_layers(model_type)
    for table, expected in zip(read, (alone.neurons, alone.layers, alone.expert_layers), strict=True):
        assert table.drop(PARTITION).equals(expected.drop(PARTITION))


def test_what_the_models_table_says(swept: tuple[Path, SweepResult]) -> None:
    rows = {row["model_name"]: row for row in gated_ray.open_store(str(swept[0])).models().to_pylist()}
    assert {name: row["components"] for name, row in rows.items()} == {
        "mixtral": ["expert"],
        "qwen2_moe": ["expert", "mlp", "shared_expert"],
        "qwen3_moe": ["expert", "mlp"],
        "qwen3_5_moe_text": ["expert", "shared_expert"],
        "gpt_oss": ["expert"],
    }
    for name, row in rows.items():
        assert (row["experts"], row["d_mlp"], row["model_type"], row["rule"]) == (EXPERTS, NEURONS, name, name)
        assert (row["resolved_by"], row["quantization"], row["left_out"]) == ("rules", [], [])
        assert row["biases"] == (["gate", "in", "out"] if name == "gpt_oss" else [])
    assert rows["mixtral"]["product"] != rows["gpt_oss"]["product"]


def test_lost_units_are_done_again_and_nothing_else(
    planted: dict[str, tuple[Path, ExpertTables]], tmp_path: Path
) -> None:
    folder, _ = planted["qwen3_5_moe_text"]
    settings = sweep_settings(tmp_path, [folder], SAMPLED, max_unit_bytes=UNIT_BYTES)
    units = run_sweep(settings).units_done
    before = published_files(tmp_path)
    manifests = sorted(path for path in tmp_path.rglob("_units/**/*.json") if path.name[0].isdigit())
    assert units == len(manifests) == 2 * (3 + 1)
    manifests[1].unlink()
    next((tmp_path / "raw/neurons").rglob("00001-expert-00004-00005.parquet")).unlink()
    next(tmp_path.rglob("published.json")).unlink()
    (plan,) = make_plan(settings, open_objects(settings.store)).models
    assert {unit.key.id for unit in plan.remaining} == {manifests[1].stem, "00001-expert-00004-00005"}
    again = run_sweep(settings)
    assert (again.units_done, again.failures) == (2, ())
    after = published_files(tmp_path)
    assert {key: body for key, body in after.items() if not key.startswith("models/")} == {
        key: body for key, body in before.items() if not key.startswith("models/")
    }
    assert_sound(tmp_path, 1)


@pytest.mark.parametrize("model_type", ["qwen3_moe", "gpt_oss"])
def test_from_the_hub_hardly_more_than_needed_is_served(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model_type: str
) -> None:
    """A fused tensor that was read whole for every unit would be served eight times over."""
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    tables = expert_tables(1, 16, 264, seed=3)
    folder = plant_experts(tmp_path / "planted", model_type, tables, d_model=256)
    hub.add_repo("org/experts", folder)
    expert_bytes = 3 * 264 * 256 * 2
    settings = sweep_settings(tmp_path / "store", ["org/experts"], max_unit_bytes=2 * expert_bytes + 1024)
    hub.clear_log()
    result = run_sweep(settings)
    assert (result.failures, result.units_done) == ((), 8)
    assert 16 * expert_bytes <= hub.weight_bytes_served() <= 1.05 * 16 * expert_bytes
    found = class_tables(gated_ray.open_store(str(tmp_path / "store")).layers())
    assert found == {place: {name: table.get(name, 0) for name in IO_CLASSES} for place, table in tables.items()}
