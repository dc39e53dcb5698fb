"""Whole checkpoints in every format, against the values that the format's reference gives."""

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GptOssConfig, GptOssForCausalLM

from gated_ray.errors import UnsupportedError
from tests.architectures.quantization.reading import decode, stored_in
from tests.checkpoints.quantized import FORMATS, quantize_checkpoint
from tests.checkpoints.tiny import tiny_checkpoint

_EXPERTS = ("fp8-block", "fp8-block-ue8m0", "fp8-tensor", "mxfp4", "fbgemm-fp8")
"""Formats that store 3-D expert tensors."""


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("quantized") / "llama"
    tiny_checkpoint(folder, "llama", hidden_size=64, intermediate_size=96, head_dim=32, num_hidden_layers=1)
    return folder


@pytest.fixture(scope="module")
def gpt_oss(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unquantized layout of fused experts, gate_up_proj (E, d, 2I) and down_proj (E, I, d)."""
    folder = tmp_path_factory.mktemp("quantized") / "gpt_oss"
    config = GptOssConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_local_experts=3,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        vocab_size=40,
    )
    torch.manual_seed(0)
    GptOssForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "mxfp4"])
def test_linear_layers_come_back_as_the_reference_has_them(name: str, llama: Path, tmp_path: Path) -> None:
    expected = quantize_checkpoint(llama, tmp_path / "q", name)
    plain = load_file(llama / "model.safetensors")
    stored, tensors = stored_in(tmp_path / "q")
    assert stored.keys() == plain.keys()
    assert len(expected) == 7
    for key, tensor in stored.items():
        assert tensor.name == key
        assert tensor.shape == plain[key].shape
        assert (tensor.codec is None) == (key not in expected)
        values = decode(tensor, tensors)
        assert values.shape == tensor.shape
        torch.testing.assert_close(values, expected.get(key, plain[key]), rtol=_tolerance(name), atol=0)


def _tolerance(name: str) -> float:
    """bitsandbytes' CPU kernels fuse a product and a sum, or multiply in another order; all else is exact."""
    return 3e-7 if name.startswith("bitsandbytes") else 0.0


@pytest.mark.parametrize("name", _EXPERTS)
def test_fused_experts_come_back_whole_and_by_slices(name: str, gpt_oss: Path, tmp_path: Path) -> None:
    expected = quantize_checkpoint(gpt_oss, tmp_path / "q", name)
    plain = load_file(gpt_oss / "model.safetensors")
    stored, tensors = stored_in(tmp_path / "q")
    assert stored.keys() == plain.keys()
    experts = [key for key in expected if plain[key].dim() == 3]
    assert len(experts) == 2
    for key in experts:
        tensor = stored[key]
        assert tensor.shape == plain[key].shape
        torch.testing.assert_close(decode(tensor, tensors), expected[key], rtol=0, atol=0)
        parts = {role: tensors[record.name][1:3] for role, record in tensor.parts.items()}
        assert tensor.codec is not None
        torch.testing.assert_close(tensor.codec.decode(parts), expected[key][1:3], rtol=0, atol=0)


@pytest.mark.parametrize("name", FORMATS)
def test_quantized_values_stay_near_the_weights(name: str, llama: Path, gpt_oss: Path, tmp_path: Path) -> None:
    """A reference that shares a mistake with the code would still leave other weights than those that were quantized."""
    folder = gpt_oss if name == "mxfp4" else llama
    quantize_checkpoint(folder, tmp_path / "q", name)
    plain = load_file(folder / "model.safetensors")
    stored, tensors = stored_in(tmp_path / "q")
    for key, tensor in stored.items():
        if tensor.codec is not None:
            weight, values = plain[key].flatten(), decode(tensor, tensors).flatten()
            floor = 0.75 if "bitnet" in name or "int2" in name else 0.98 if "int4-tensor" in name else 0.985
            assert torch.cosine_similarity(weight, values, dim=0) > floor
            assert 0.6 < values.norm() / weight.norm() < 1.4


def test_codecs_are_named_and_travel(llama: Path, tmp_path: Path) -> None:
    for name in FORMATS:
        if name == "mxfp4":
            continue
        quantize_checkpoint(llama, tmp_path / name, name)
        stored, _ = stored_in(tmp_path / name)
        codecs = {tensor.codec for tensor in stored.values() if tensor.codec}
        assert codecs
        for codec in codecs:
            assert codec.format
            assert pickle.loads(pickle.dumps(codec)) == codec


def test_a_weight_both_plain_and_quantized_is_refused(llama: Path, tmp_path: Path) -> None:
    quantize_checkpoint(llama, tmp_path / "q", "awq")
    tensors = load_file(tmp_path / "q" / "model.safetensors")
    tensors["model.layers.0.mlp.up_proj.weight"] = torch.zeros(96, 64)
    save_file(tensors, tmp_path / "q" / "model.safetensors")
    with pytest.raises(UnsupportedError, match=r"up_proj\.weight is stored in two ways"):
        stored_in(tmp_path / "q")
