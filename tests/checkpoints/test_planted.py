"""A planted checkpoint is what it claims: its class table, its margins, its disguises, and a model that loads."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM

from tests.checkpoints.cosine_cells import CELLS, draw_triples
from tests.checkpoints.planted import plant_checkpoint, published_table, scaled_table
from tests.checkpoints.raw_safetensors import read_float64
from tests.checkpoints.reference import class_table, reference_geometry

COSINES = ("cos_gate_in", "cos_gate_out", "cos_in_out")
FAMILIES = ("llama", "mistral", "qwen2", "gemma2")
_COUNTS = {name: 3 + rank for rank, name in enumerate(CELLS)}
EVERY_CLASS = {0: _COUNTS, 1: dict(zip(CELLS, reversed(_COUNTS.values()), strict=True))}


def _assert_table(folder: Path, expected: dict[int, dict[str, int]]) -> None:
    found = class_table(reference_geometry(folder))
    assert found == {
        (layer, "mlp"): {name: count for name, count in counts.items() if count} for layer, counts in expected.items()
    }


@pytest.mark.parametrize("model_type", FAMILIES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32], ids=str)
def test_class_table_and_margins(tmp_path: Path, model_type: str, dtype: torch.dtype) -> None:
    plant_checkpoint(tmp_path, EVERY_CLASS, d_model=48, model_type=model_type, dtype=dtype, margin=0.04)
    _assert_table(tmp_path, EVERY_CLASS)
    for numbers in reference_geometry(tmp_path).values():
        for cosine in COSINES:
            assert np.abs(np.abs(numbers[cosine]) - 0.5).min() >= 0.04
        assert numbers["cos_gate_in"].min() >= 0.04


def test_published_table_of_qwen_at_another_width(tmp_path: Path) -> None:
    published = published_table("Qwen/Qwen2.5-0.5B")
    table = {layer: published[3 * layer] for layer in range(2)}
    plant_checkpoint(tmp_path, table, d_model=64)
    _assert_table(tmp_path, table)


def test_disguises(tmp_path: Path) -> None:
    """Gains, flips, lengths and order: without undoing each of them the table does not come out."""
    table = {0: dict.fromkeys(CELLS, 40)}
    plant_checkpoint(tmp_path, table, d_model=64, model_type="llama")
    tensors = read_float64(tmp_path)
    gain = tensors["model.layers.0.post_attention_layernorm.weight"]
    assert gain.min() >= 0.29
    assert gain.max() <= 2.51
    assert gain.std() > 0.4
    numbers = reference_geometry(tmp_path)[0, "mlp"]
    assert abs(numbers["sign"].mean()) < 0.2
    for norm in ("norm_gate", "norm_in", "norm_out"):
        assert numbers[norm].max() > 4 * numbers[norm].min()
    blocks_of_40 = numbers["io_class"].reshape(11, 40)
    assert all(len(set(block)) > 5 for block in blocks_of_40)


@pytest.mark.parametrize("model_type", FAMILIES)
def test_loads_in_transformers(tmp_path: Path, model_type: str) -> None:
    plant_checkpoint(tmp_path, EVERY_CLASS, d_model=48, model_type=model_type, shards=3)
    model, report = AutoModelForCausalLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")), report
    assert model.dtype == torch.bfloat16
    assert torch.isfinite(model(torch.arange(8)[None]).logits).all()


def test_shards_hold_everything_once_and_split_an_mlp(tmp_path: Path) -> None:
    plant_checkpoint(tmp_path / "one", EVERY_CLASS, d_model=48)
    plant_checkpoint(tmp_path / "three", EVERY_CLASS, d_model=48, shards=3)
    one, three = read_float64(tmp_path / "one"), read_float64(tmp_path / "three")
    assert one.keys() == three.keys()
    assert all(np.array_equal(one[name], three[name]) for name in one)
    weight_map = json.loads((tmp_path / "three/model.safetensors.index.json").read_text())["weight_map"]
    assert set(weight_map) == set(one)
    assert sorted(set(weight_map.values())) == sorted(path.name for path in (tmp_path / "three").glob("*.safetensors"))
    for shard in set(weight_map.values()):
        with safe_open(tmp_path / "three" / shard, framework="pt") as opened:
            assert set(opened.keys()) == {name for name, file in weight_map.items() if file == shard}
    projections = ("gate", "up", "down")
    files = [{weight_map[f"model.layers.{layer}.mlp.{name}_proj.weight"] for name in projections} for layer in range(2)]
    assert max(map(len, files)) == 2


def test_seed_decides_the_files(tmp_path: Path) -> None:
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        plant_checkpoint(tmp_path / folder, EVERY_CLASS, d_model=32, seed=seed)
    a, b, c = ((tmp_path / folder / "model.safetensors").read_bytes() for folder in "abc")
    assert a == b
    assert a != c


def test_without_embeddings(tmp_path: Path) -> None:
    plant_checkpoint(tmp_path, EVERY_CLASS, d_model=32, embeddings=False)
    assert "model.embed_tokens.weight" not in read_float64(tmp_path)
    _assert_table(tmp_path, EVERY_CLASS)


@pytest.mark.parametrize("table", [{1: {"enrichment": 2}}, {0: {"enrichment": 2}, 1: {"enrichment": 3}}])
def test_uneven_tables_are_refused(tmp_path: Path, table: dict[int, dict[str, int]]) -> None:
    with pytest.raises(ValueError, match="numbered from 0 and equal in size"):
        plant_checkpoint(tmp_path, table, d_model=32)


def test_impossible_margin_is_refused() -> None:
    with pytest.raises(ValueError, match="empty at margin"):
        draw_triples("atypical_conditional_enrichment", 4, 0.4, torch.Generator())


def test_plain_models_have_no_table_to_plant() -> None:
    with pytest.raises(ValueError, match="not gated"):
        published_table("gpt2-small")


def test_scaled_table_keeps_shares() -> None:
    table = published_table("meta-llama/Llama-3.2-1B")
    scaled = scaled_table(table, 512)
    for layer, counts in table.items():
        assert sum(scaled[layer].values()) == 512
        for name, count in counts.items():
            assert abs(scaled[layer][name] - count / 8192 * 512) < 1
    assert scaled_table(table, 8192) == table
    assert scaled_table({0: {"enrichment": 1, "depletion": 2}}, 2) == {0: {"enrichment": 1, "depletion": 1}}
