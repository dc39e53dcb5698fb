"""Stored bytes as torch tensors."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from gated_ray.errors import UnsupportedError
from gated_ray.sources.checkpoint import open_checkpoint, open_origin, read_tensors
from tests.checkpoints.raw_safetensors import StoredTensor, pack


def _read(folder: Path, *names: str) -> dict[str, torch.Tensor]:
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    checkpoint = open_checkpoint(str(folder))
    return read_tensors(open_origin(checkpoint.location), [checkpoint.tensors[name] for name in names])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_values_shapes_and_dtypes(tmp_path: Path, dtype: torch.dtype) -> None:
    stored = {
        "matrix": torch.randn(5, 3).to(dtype),
        "vector": torch.tensor([0.0, -0.0, torch.inf, -torch.inf, 1e-5]).to(dtype),
        "scalar": torch.tensor(2.5, dtype=dtype),
        "empty": torch.empty(0, 7, dtype=dtype),
    }
    save_file(stored, tmp_path / "model.safetensors")
    tensors = _read(tmp_path, *stored)
    for name, tensor in stored.items():
        torch.testing.assert_close(tensors[name], tensor, rtol=0, atol=0)
        assert tensors[name].dtype == dtype
    assert _read(tmp_path, "empty")["empty"].shape == (0, 7)


def test_tensors_at_odd_offsets(tmp_path: Path) -> None:
    """Foreign writers do not align."""
    values = torch.arange(6, dtype=torch.float32)
    half = StoredTensor("F16", (1,), bytes(2))
    stored = {"odd": StoredTensor("U8", (3,), bytes(3)), "half": half}
    pack(tmp_path / "model.safetensors", stored | {"a": StoredTensor("F32", (2, 3), values.numpy().tobytes())})
    tensor = _read(tmp_path, "half", "a")["a"]
    assert torch.equal(tensor, values.view(2, 3))
    assert tensor.data_ptr() % 4 == 0


@pytest.mark.parametrize("dtype", ["I8", "U8", "F8_E4M3", "BOOL"])
def test_what_is_no_plain_float_is_refused_by_name(tmp_path: Path, dtype: str) -> None:
    pack(tmp_path / "model.safetensors", {"quantized": StoredTensor(dtype, (4,), bytes(4))})
    with pytest.raises(UnsupportedError, match=f"tensor quantized is stored as {dtype}"):
        _read(tmp_path, "quantized")


def test_one_tensor_asked_for_twice(tmp_path: Path) -> None:
    save_file({"a": torch.ones(4), "b": torch.zeros(4)}, tmp_path / "model.safetensors")
    assert torch.equal(_read(tmp_path, "a", "b", "a")["a"], torch.ones(4))
