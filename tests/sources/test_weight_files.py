"""Which files of a checkpoint are taken for its weights."""

import json
import shutil
from pathlib import Path

import pytest

from gated_ray.errors import CheckpointError, GatedRayError, UnsupportedError
from gated_ray.sources.checkpoint import open_checkpoint
from tests.checkpoints.broken import BROKEN
from tests.checkpoints.raw_safetensors import StoredTensor, pack
from tests.checkpoints.sound import CONFIG, FIRST, GATE, INDEX, LAST, sound_checkpoint

SINGLE = "model.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return sound_checkpoint(tmp_path / "sound")


def _opened_files(folder: Path) -> list[str]:
    return [file.path for file in open_checkpoint(str(folder)).files]


def _refusal(folder: Path, kind: type[GatedRayError]) -> str:
    with pytest.raises(kind) as refusal:
        open_checkpoint(str(folder))
    assert "\n" not in str(refusal.value)
    assert str(folder) in str(refusal.value)
    return str(refusal.value)


def test_the_shards_of_the_index(folder: Path) -> None:
    assert _opened_files(folder) == [CONFIG, FIRST, LAST]


@pytest.mark.parametrize(
    "name",
    [
        "consolidated.safetensors",
        "model.fp16.safetensors",
        "adapter_model.safetensors",
        "model-00003-of-00003.safetensors",
    ],
)
def test_other_safetensors_files_are_left_alone(folder: Path, name: str) -> None:
    pack(folder / name, {GATE: StoredTensor("BF16", (1,), bytes(2))})
    assert _opened_files(folder) == [CONFIG, FIRST, LAST]
    assert len(open_checkpoint(str(folder)).tensors[GATE].shape) == 2


def test_files_in_subfolders_are_left_alone(folder: Path) -> None:
    shutil.copytree(folder, folder / "onnx")
    (folder / "onnx" / FIRST).rename(folder / "onnx" / SINGLE)
    assert _opened_files(folder) == [CONFIG, FIRST, LAST]


def test_a_single_file_goes_before_an_index_as_in_transformers(folder: Path) -> None:
    pack(folder / SINGLE, {"a": StoredTensor("BF16", (1,), bytes(2))})
    assert _opened_files(folder) == [CONFIG, SINGLE]


@pytest.mark.parametrize("name", ["consolidated.safetensors", "adapter_model.safetensors", "model.fp16.safetensors"])
def test_weights_under_other_names_only(folder: Path, name: str) -> None:
    BROKEN["no_weights"](folder)
    pack(folder / name, {"a": StoredTensor("BF16", (1,), bytes(2))})
    assert name in _refusal(folder, UnsupportedError)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "consolidated.00.pth", "model.ckpt", "model.pkl"])
def test_pickles(folder: Path, name: str) -> None:
    BROKEN["no_weights"](folder)
    (folder / name).write_bytes(b"")
    message = _refusal(folder, UnsupportedError)
    assert "pickle" in message
    assert "save_pretrained" in message


@pytest.mark.parametrize("name", ["tf_model.h5", "flax_model.msgpack", "model-Q4_K_M.gguf"])
def test_weights_of_other_libraries(folder: Path, name: str) -> None:
    BROKEN["no_weights"](folder)
    (folder / name).write_bytes(b"")
    message = _refusal(folder, UnsupportedError)
    assert name in message
    assert "pickle" not in message


@pytest.mark.parametrize(
    "index", [{}, {"weight_map": {}}, {"weight_map": []}, {"weight_map": {"a": 1}}, {"weight_map": {"a": None}}]
)
def test_an_index_without_a_map(folder: Path, index: object) -> None:
    (folder / INDEX).write_text(json.dumps(index))
    assert "weight_map" in _refusal(folder, CheckpointError)


@pytest.mark.parametrize("shard", ["..\\evil.safetensors", "sub/a.safetensors", "pytorch_model.bin", "", ".."])
def test_a_shard_is_a_safetensors_file_beside_the_index(folder: Path, shard: str) -> None:
    (folder / INDEX).write_text(json.dumps({"weight_map": {"a": shard}}))
    assert repr(shard) in _refusal(folder, CheckpointError)


@pytest.mark.parametrize("name", [CONFIG, INDEX])
@pytest.mark.parametrize("content", [b"\xff\xfe\xff", b"", b"[" * 100_000, b"9" * 10_000, b"null"])
def test_json_that_is_none(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    assert name in _refusal(folder, GatedRayError)


@pytest.mark.parametrize(("name", "size"), [(CONFIG, 2_000_001), (INDEX, 50_000_001)])
def test_json_of_absurd_size_is_not_read(folder: Path, name: str, size: int) -> None:
    with (folder / name).open("r+b") as stream:
        stream.truncate(size)
    assert str(size) in _refusal(folder, CheckpointError)
