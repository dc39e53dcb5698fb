"""Stored bytes as torch tensors, whole and by slices."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from gated_ray.errors import UnsupportedError
from gated_ray.sources.checkpoint import Checkpoint, open_checkpoint, open_origin, read_tensors
from gated_ray.sources.slices import TensorSlice
from tests.checkpoints.raw_safetensors import StoredTensor, pack
from tests.servers.hub import HubServer
from tests.sources.reading import as_bytes, read_bytes, stored_bytes

EXPERTS = 48
STORED = (torch.bfloat16, torch.float32, torch.float8_e4m3fn, torch.float8_e8m0fnu, torch.int32, torch.uint8)


def _checkpoint(folder: Path) -> Checkpoint:
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    return open_checkpoint(str(folder))


def _read(folder: Path, *names: str) -> dict[str, torch.Tensor]:
    checkpoint = _checkpoint(folder)
    slices = [TensorSlice(checkpoint.tensors[name]) for name in names]
    return {part.name: tensor for part, tensor in read_tensors(open_origin(checkpoint.location), slices).items()}


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


@pytest.mark.parametrize("dtype", ["F4", "F6_E2M3", "C64"])
def test_a_dtype_that_is_not_read_is_refused_by_name(tmp_path: Path, dtype: str) -> None:
    pack(
        tmp_path / "model.safetensors", {"packed": StoredTensor(dtype, (8,), bytes({"F4": 4, "C64": 64}.get(dtype, 6)))}
    )
    with pytest.raises(UnsupportedError, match=f"tensor packed is stored as {dtype}"):
        _read(tmp_path, "packed")


def test_one_tensor_asked_for_twice(tmp_path: Path) -> None:
    save_file({"a": torch.ones(4), "b": torch.zeros(4)}, tmp_path / "model.safetensors")
    assert torch.equal(_read(tmp_path, "a", "b", "a")["a"], torch.ones(4))


@pytest.mark.parametrize("dtype", STORED, ids=str)
@pytest.mark.parametrize("shape", [(7,), (7, 6), (7, 3, 5), (7, 2, 3, 4)], ids=str)
def test_a_slice_is_that_part_of_the_whole(tmp_path: Path, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    values = torch.randint(0, 120, shape, dtype=torch.uint8)
    stored = values.to(dtype) if dtype not in STORED[2:4] else values.view(dtype)
    save_file({"before": torch.ones(3), "experts": stored}, tmp_path / "model.safetensors")
    checkpoint = _checkpoint(tmp_path)
    record = checkpoint.tensors["experts"]
    slices = [TensorSlice(record, 5, 2), TensorSlice(record, 0, 1), TensorSlice(record, 2, 2)]
    read = read_tensors(open_origin(checkpoint.location), slices)
    for part, (first, end) in zip(slices, ((5, 7), (0, 1), (2, 4)), strict=True):
        assert read[part].dtype == dtype
        assert read[part].shape == part.shape == (end - first, *shape[1:])
        assert as_bytes(read[part]) == as_bytes(stored[first:end])
        assert part.name == f"experts[{first}:{end}]"
        assert part.bytes == stored[first:end].nbytes


def test_a_slice_is_not_mistaken_for_another(tmp_path: Path) -> None:
    """Digests and tensors are kept by slice: the whole, its parts and other tensors' parts all differ."""
    save_file({"a": torch.zeros(4, 2), "b": torch.zeros(4, 2)}, tmp_path / "model.safetensors")
    records = _checkpoint(tmp_path).tensors.values()
    slices = [
        part
        for record in records
        for part in (TensorSlice(record), TensorSlice(record, 0, 2), TensorSlice(record, 0, 4))
    ]
    assert len(set(slices)) == len({part.name for part in slices}) == 6


@pytest.mark.parametrize(("first", "count"), [(4, 1), (3, 2), (-1, 2), (0, 0)])
def test_a_slice_beyond_the_tensor_is_refused(tmp_path: Path, first: int, count: int) -> None:
    """What follows in the file would look like weights."""
    save_file(
        {"a": torch.zeros(4, 2), "b": torch.ones(4, 2), "scalar": torch.tensor(1.0)}, tmp_path / "model.safetensors"
    )
    tensors = _checkpoint(tmp_path).tensors
    for name in ("a", "scalar"):
        with pytest.raises(ValueError, match=f"tensor {name} of shape .* has no entries"):
            TensorSlice(tensors[name], first, count)


@pytest.mark.parametrize("experts", [(17, 1), (17, 3), (0, 48)], ids=str)
def test_a_slice_of_a_remote_tensor_brings_its_bytes_alone(
    hub: HubServer, tmp_path: Path, experts: tuple[int, int]
) -> None:
    """The other experts are never sent: here an expert has 128 kB of 6 MB."""
    generator = torch.Generator().manual_seed(0)
    shapes = {"gate_up_proj": (EXPERTS, 256, 128), "down_proj": (EXPERTS, 128, 128)}
    tensors = {name: torch.randn(shape, generator=generator).to(torch.bfloat16) for name, shape in shapes.items()}
    save_file(tensors, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text("{}")
    hub.add_repo("org/experts", tmp_path)
    checkpoint = open_checkpoint("org/experts")
    slices = [TensorSlice(checkpoint.tensors[name], *experts) for name in shapes]
    hub.clear_log()
    assert read_bytes(checkpoint, slices) == stored_bytes(tmp_path, slices)
    needed = experts[1] * 3 * 128 * 128 * 2
    assert sum(part.bytes for part in slices) == needed
    assert needed <= hub.weight_bytes_served() <= 1.05 * needed
