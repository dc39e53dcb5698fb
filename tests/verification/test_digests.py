"""Digests are of the files' own bytes, here cut out by header offsets and hashed in another way."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import xxhash

import gated_ray
from gated_ray.store.keys import Partition
from gated_ray.store.units import read_manifests
from tests.checkpoints.planted_experts import expert_tables, plant_experts
from tests.checkpoints.quantized import quantize_checkpoint
from tests.checkpoints.raw_safetensors import read_raw
from tests.checkpoints.sound import sound_checkpoint
from tests.cluster.sweeping import PARTITION
from tests.verification.sweeping_alone import sweep_alone

RUN = re.compile(r"(.+)\[(\d+):(\d+)\]")


def stored_digests(folder: Path, names: set[str]) -> dict[str, str]:
    """xxh3-64 of these ranges, from the shards' bytes as they lie on the disk."""
    entries = {}
    for shard in folder.glob("*.safetensors"):
        header, data = read_raw(shard)
        entries |= {name: (entry, data) for name, entry in header.items() if name != "__metadata__"}
    digests = {}
    for name in names:
        run = RUN.fullmatch(name)
        entry, data = entries[run[1] if run else name]
        begin, end = entry["data_offsets"]
        if run:
            row = (end - begin) // entry["shape"][0]
            begin, end = begin + int(run[2]) * row, begin + int(run[3]) * row
        state = xxhash.xxh3_64(seed=0)
        state.update(data[begin:end])
        digests[name] = f"{state.intdigest():016x}"
    return digests


def fused_experts(folder: Path) -> Path:
    return plant_experts(folder, "qwen3_5_moe_text", expert_tables(2, 5, 66, shared=True), d_model=32)


def quantized_experts(folder: Path) -> Path:
    """Packed in bytes, with scales."""
    plain = plant_experts(folder.parent / "plain", "gpt_oss", expert_tables(1, 5, 96), d_model=32)
    quantize_checkpoint(plain, folder, "mxfp4")
    return folder


@pytest.mark.parametrize(
    ("make", "runs"), [(sound_checkpoint, False), (fused_experts, True), (quantized_experts, True)]
)
def test_digests_are_of_the_files_bytes(tmp_path: Path, make: Callable[[Path], Path], runs: bool) -> None:
    folder = make(tmp_path / "model")
    store = tmp_path / "store"
    objects = sweep_alone(store, folder, max_unit_bytes=15_000)
    layers = gated_ray.open_store(str(store)).layers().to_pylist()
    recorded = [(each["tensor"], each["digest"]) for row in layers for each in row["digests"]]
    assert any(RUN.fullmatch(name) for name, _ in recorded) == runs
    assert dict(recorded) == stored_digests(folder, {name for name, _ in recorded})
    for row in layers:
        digests = [each["digest"] for each in row["digests"]]
        assert row["digest"] == xxhash.xxh3_64("".join(digests).encode("ascii")).hexdigest()
    manifests = read_manifests(objects, Partition(*(str(layers[0][name]) for name in PARTITION)))
    assert len(manifests) > 1
    kept = {item for manifest in manifests.values() if manifest is not None for item in manifest.digests.items()}
    assert kept == set(recorded)


def test_gate_in_out_then_norms(tmp_path: Path) -> None:
    row = gated_ray.analyze(str(sound_checkpoint(tmp_path / "model")), regions="none").layers.to_pylist()[0]
    assert [each["tensor"].removeprefix("model.layers.0.") for each in row["digests"]] == [
        "mlp.gate_proj.weight",
        "mlp.up_proj.weight",
        "mlp.down_proj.weight",
        "post_attention_layernorm.weight",
    ]


def test_units_of_other_sizes_give_equal_digests(tmp_path: Path) -> None:
    folder = fused_experts(tmp_path / "model")
    found = []
    for store, size in (("one", 1), ("all", 1 << 30)):
        sweep_alone(tmp_path / store, folder, max_unit_bytes=size)
        found.append(gated_ray.open_store(str(tmp_path / store)).layers().select(["digest", "digests"]).to_pylist())
    assert found[0] == found[1]
    assert len(found[0]) == 2 * 6
