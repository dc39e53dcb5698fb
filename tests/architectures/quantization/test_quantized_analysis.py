"""Quantized checkpoints from files to cosines: as if their weights had been stored in float32."""

from pathlib import Path

import pyarrow as pa
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

import gated_ray
from gated_ray.architectures.finding import find_architecture
from gated_ray.sources.checkpoint import open_checkpoint
from tests.checkpoints.quantized import FORMATS, quantize_checkpoint
from tests.checkpoints.tiny import tiny_checkpoint

_FUSED = ("fp8-block", "mxfp4", "fbgemm-fp8")


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plain") / "llama"
    tiny_checkpoint(folder, "llama", hidden_size=64, intermediate_size=96, head_dim=32)
    return folder


@pytest.fixture(scope="module")
def mixtral(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Experts of their own tensors each."""
    folder = tmp_path_factory.mktemp("plain") / "mixtral"
    sizes = {"hidden_size": 64, "intermediate_size": 96, "num_local_experts": 3, "num_hidden_layers": 1}
    _save(folder, "mixtral", **sizes)
    return folder


@pytest.fixture(scope="module")
def gpt_oss(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fused and interleaved experts in tensors of three dimensions."""
    folder = tmp_path_factory.mktemp("plain") / "gpt_oss"
    _save(folder, "gpt_oss", hidden_size=64, intermediate_size=96, num_local_experts=3, num_hidden_layers=1)
    return folder


def _save(folder: Path, model_type: str, **sizes: int) -> None:
    config = AutoConfig.for_model(
        model_type, vocab_size=40, num_attention_heads=2, num_key_value_heads=1, head_dim=32, **sizes
    )
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)


def _same_as_in_float32(plain: Path, folder: Path, name: str) -> None:
    """The quantized checkpoint gives the very numbers of one that stores the reference's float32 values."""
    expected = quantize_checkpoint(plain, folder / "quantized", name)
    decoded = folder / "decoded"
    decoded.mkdir()
    (decoded / "config.json").write_bytes((plain / "config.json").read_bytes())
    tensors = load_file(plain / "model.safetensors")
    changed = {key: values.contiguous() for key, values in expected.items()}
    assert changed.keys() <= tensors.keys()
    save_file({**tensors, **changed}, decoded / "model.safetensors")
    quantized, reference = (
        gated_ray.analyze(str(folder / each), regions="none").neurons for each in ("quantized", "decoded")
    )
    _equal(quantized, reference, 2e-6 if name.startswith("bitsandbytes") else 0.0)
    formats = {block.format for block in find_architecture(open_checkpoint(str(folder / "quantized"))).blocks}
    assert None not in formats


def _equal(one: pa.Table, other: pa.Table, tolerance: float) -> None:
    assert one.num_rows == other.num_rows > 0
    for name in one.column_names:
        if name == "model_name":
            continue
        if tolerance and one.schema.field(name).type == pa.float32():
            first, second = (torch.tensor(table[name].to_pylist()) for table in (one, other))
            torch.testing.assert_close(first, second, rtol=tolerance, atol=tolerance)
        else:
            assert one[name].equals(other[name]), name


@pytest.mark.parametrize("name", sorted(FORMATS.keys() - {"mxfp4"}))
def test_dense_models(name: str, llama: Path, tmp_path: Path) -> None:
    _same_as_in_float32(llama, tmp_path, name)


@pytest.mark.parametrize("name", ["fp8-block", "gptq", "awq"])
def test_experts_of_their_own_tensors(name: str, mixtral: Path, tmp_path: Path) -> None:
    _same_as_in_float32(mixtral, tmp_path, name)


@pytest.mark.parametrize("name", _FUSED)
def test_fused_experts_are_decoded_one_by_one(name: str, gpt_oss: Path, tmp_path: Path) -> None:
    _same_as_in_float32(gpt_oss, tmp_path, name)
