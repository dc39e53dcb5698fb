"""The tiny models are real: transformers reads back what was saved, under its own names and under the Hub's."""

import json
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel

from tests.checkpoints.hub_names import HUB_STYLES, use_hub_names
from tests.checkpoints.raw_safetensors import read_float64, read_raw
from tests.checkpoints.tiny import CASES, auto_class, tiny_checkpoint


def _assert_loads(folder: Path, model_type: str, expected: PreTrainedModel) -> None:
    loaded, report = auto_class(model_type).from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"], report
    for name, tensor in expected.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name


@pytest.mark.parametrize("case", CASES)
def test_model_round_trips(tmp_path: Path, case: str) -> None:
    model_type, overrides = CASES[case]
    model = tiny_checkpoint(tmp_path, model_type, **overrides)
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == model_type
    _assert_loads(tmp_path, model_type, model)


@pytest.mark.parametrize("case", CASES)
def test_norms_and_biases_are_away_from_their_defaults(tmp_path: Path, case: str) -> None:
    model_type, overrides = CASES[case]
    tiny_checkpoint(tmp_path, model_type, **overrides)
    vectors = {name: tensor for name, tensor in read_float64(tmp_path).items() if tensor.ndim == 1}
    assert vectors or model_type == "olmo"
    for name, tensor in vectors.items():
        assert tensor.std() > 0.05, name


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_dtype_is_the_stored_one(tmp_path: Path, dtype: torch.dtype) -> None:
    model = tiny_checkpoint(tmp_path, "llama", dtype=dtype)
    header, _ = read_raw(tmp_path / "model.safetensors")
    stored = {entry["dtype"] for name, entry in header.items() if name != "__metadata__"}
    assert stored == {{torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}[dtype]}
    name = "model.layers.1.mlp.up_proj.weight"
    assert (read_float64(tmp_path)[name] == model.state_dict()[name].double().numpy()).all()


def test_seed_decides_the_weights(tmp_path: Path) -> None:
    files = []
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        tiny_checkpoint(tmp_path / folder, "gpt2", seed=seed)
        files.append((tmp_path / folder / "model.safetensors").read_bytes())
    assert files[0] == files[1]
    assert files[0] != files[2]


@pytest.mark.parametrize("style", HUB_STYLES)
@pytest.mark.parametrize("max_shard_size", ["1GB", "8KB"])
def test_hub_names_load_the_same_model(tmp_path: Path, style: str, max_shard_size: str) -> None:
    model_type = style.removesuffix("_bare")
    model = tiny_checkpoint(tmp_path, model_type, max_shard_size=max_shard_size)
    before = set(read_float64(tmp_path))
    assert len(list(tmp_path.glob("*.safetensors"))) > 1 or max_shard_size == "1GB"
    use_hub_names(tmp_path, style)
    after = set(read_float64(tmp_path))
    assert after != before
    _assert_loads(tmp_path, model_type, model)
