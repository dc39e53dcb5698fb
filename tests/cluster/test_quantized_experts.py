"""Quantized mixtures of experts: read by slices, one expert decoded at a time, recorded with the model. No Ray here."""

from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

import gated_ray
from gated_ray.cluster.worker import Worker
from gated_ray.store.objects import open_objects
from tests.checkpoints.planted_experts import expert_tables, plant_experts
from tests.checkpoints.quantized import quantize_checkpoint
from tests.cluster.planning import make_plan
from tests.cluster.sweeping import PARTITION, QUICK, sweep_settings

NEURONS, D_MODEL = 96, 32


@pytest.mark.parametrize(
    ("model_type", "name", "format_name", "dtypes"),
    [
        ("qwen3_moe", "fp8-block", "fp8-block", ["BF16", "F32", "F8_E4M3"]),
        ("qwen3_5_moe_text", "fp8-block", "fp8-block", ["BF16", "F32", "F8_E4M3"]),
        ("gpt_oss", "mxfp4", "mxfp4", ["BF16", "U8"]),
    ],
)
def test_what_is_stored_is_what_is_measured(
    tmp_path: Path, model_type: str, name: str, format_name: str, dtypes: list[str]
) -> None:
    plain = plant_experts(tmp_path / "plain", model_type, expert_tables(1, 5, NEURONS), d_model=D_MODEL)
    meant = quantize_checkpoint(plain, tmp_path / "quantized", name)
    settings = sweep_settings(tmp_path / "store", [tmp_path / "quantized"], max_unit_bytes=15_000)
    (model,) = make_plan(settings, open_objects(settings.store)).models
    assert len(model.units) > 1
    assert all(unit.bytes <= 15_000 for unit in model.units)
    worker = Worker(settings.store, QUICK, threads=1)
    assert [worker.measure(unit).error for unit in model.units] == [None] * len(model.units)
    assert worker.publish(model.publishing).error is None
    store = gated_ray.open_store(settings.store.url)

    values = load_file(plain / "model.safetensors")
    save_file({key: meant.get(key, value).contiguous() for key, value in values.items()}, plain / "model.safetensors")
    expected = gated_ray.analyze(str(plain), regions="none").neurons
    assert store.neurons().to_table().drop(PARTITION).equals(expected.drop(PARTITION))
    (row,) = store.models().to_pylist()
    assert (row["quantization"], row["dtypes"], row["experts"]) == ([format_name], dtypes, 5)
