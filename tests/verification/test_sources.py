"""Sources read again: what was changed is named, what cannot be had is said, and neither stops the rest."""

import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from gated_ray.errors import CheckpointError
from gated_ray.settings import SourcesSettings
from gated_ray.sources.headers import TensorRecord
from gated_ray.sources.origin import FileVersion
from gated_ray.sources.slices import TensorSlice
from gated_ray.store.digests import RecordedRange, sample_of
from gated_ray.store.keys import WEIGHT_TABLES
from gated_ray.verification import named_slice
from tests.checkpoints.raw_safetensors import StoredTensor, pack, read_raw, unpack
from tests.checkpoints.sound import FIRST, IN, OUT, cut, edit_tensor, sound_checkpoint
from tests.servers.s3 import S3Server
from tests.verification.sweeping_alone import check_sources, sweep_alone
from tests.verification.test_digests import fused_experts, quantized_experts

RANGES = 2 * 4


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return sound_checkpoint(tmp_path / "model")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def flip_first(tensor: StoredTensor) -> StoredTensor:
    return StoredTensor(tensor.dtype, tensor.shape, bytes([tensor.data[0] ^ 1]) + tensor.data[1:])


def test_equal_sources(tmp_path: Path, folder: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """References that mean a folder only where the sweep ran; the check runs elsewhere."""
    sound_checkpoint(tmp_path / "run" / "step-1")
    monkeypatch.chdir(tmp_path)
    sweep_alone(store, "./model", "run@step-1")
    monkeypatch.chdir("/")
    found = check_sources(store)
    assert (found.asked, found.models, found.ranges, found.problems) == (2, 2, 2 * RANGES, ())
    stored = sum(3 * 44 * 32 * 2 + 32 * 2 for _ in range(2))
    assert found.bytes == 2 * stored


@pytest.mark.parametrize("make", [fused_experts, quantized_experts])
def test_equal_experts_in_slices(tmp_path: Path, store: Path, make: Callable[[Path], Path]) -> None:
    sweep_alone(store, make(tmp_path / "experts"), max_unit_bytes=40_000)
    found = check_sources(store)
    assert (found.models, found.problems) == (1, ())
    assert found.ranges > 5 * 2


def test_one_byte_changed_in_a_slice_of_an_experts_tensor(tmp_path: Path, store: Path) -> None:
    folder = fused_experts(tmp_path / "experts")
    sweep_alone(store, folder, max_unit_bytes=40_000)
    shard = folder / "model.safetensors"
    content = bytearray(shard.read_bytes())
    length = int.from_bytes(content[:8], "little")
    entry = read_raw(shard)[0]["model.layers.1.mlp.experts.down_proj"]
    begin, end = entry["data_offsets"]
    content[8 + length + begin + 3 * (end - begin) // entry["shape"][0]] ^= 0x80
    shard.write_bytes(content)
    (line,) = map(str, check_sources(store).problems)
    assert ": layer 1 expert: model.layers.1.mlp.experts.down_proj[3:4]: recorded digest " in line


def test_one_byte_changed(folder: Path, store: Path) -> None:
    sweep_alone(store, folder)
    recorded = check_sources(store)
    edit_tensor(folder, OUT, flip_first)
    found = check_sources(store)
    (line,) = map(str, found.problems)
    assert f": layer 0 mlp: {OUT}: recorded digest " in line
    assert (found.models, found.ranges, found.bytes) == (1, recorded.ranges, recorded.bytes)
    edit_tensor(folder, OUT, flip_first)
    assert check_sources(store).problems == ()


def test_what_the_sample_takes_is_found(folder: Path, store: Path) -> None:
    """Samples of half the ranges find a changed one under some seeds and not under others, each time alike."""
    sweep_alone(store, folder)
    edit_tensor(folder, OUT, flip_first)
    runs = [[len(check_sources(store, sample=4, seed=seed).problems) for seed in range(8)] for _ in range(2)]
    assert runs[0] == runs[1]
    assert set(runs[0]) == {0, 1}
    assert check_sources(store, sample=4).ranges == 4


def test_a_source_that_is_gone(tmp_path: Path, folder: Path, store: Path) -> None:
    sound_checkpoint(tmp_path / "other")
    sweep_alone(store, folder, tmp_path / "other")
    shutil.rmtree(folder)
    found = check_sources(store)
    (line,) = map(str, found.problems)
    assert line.startswith("model=model/")
    assert f"its source cannot be read: {folder}" in line
    assert (found.asked, found.models, found.ranges) == (2, 1, RANGES)


def test_a_shard_that_is_gone(folder: Path, store: Path) -> None:
    sweep_alone(store, folder)
    (folder / FIRST).unlink()
    (line,) = map(str, check_sources(store).problems)
    assert "its source cannot be read" in line
    assert FIRST in line


def test_a_tensor_that_is_gone_or_smaller(tmp_path: Path, store: Path) -> None:
    folder = fused_experts(tmp_path / "experts")
    sweep_alone(store, folder)
    recorded = check_sources(store)
    tensors = unpack(folder / "model.safetensors")
    fused = "model.layers.0.mlp.experts.down_proj"
    experts, *rest = tensors[fused].shape
    tensors[fused] = cut((experts - 1, *rest))(tensors[fused])
    gone = "model.layers.1.post_attention_layernorm.weight"
    del tensors[gone]
    pack(folder / "model.safetensors", tensors)
    found = check_sources(store)
    assert sorted(str(problem).partition(": ")[2] for problem in found.problems) == [
        f"layer 0 expert: {fused}[{experts - 1}:{experts}]: the source no longer has these entries: its shape is "
        f"{(experts - 1, *rest)}",
        f"layer 1 expert: {gone}: the source no longer has this tensor",
    ]
    assert (found.models, found.ranges) == (1, recorded.ranges)


@pytest.mark.parametrize("table", [table for table in WEIGHT_TABLES if table not in ("models", "expert_layers")])
def test_a_damaged_store_is_compared_all_the_same(folder: Path, store: Path, table: str) -> None:
    sweep_alone(store, folder)
    for path in (store / table).rglob("*.parquet"):
        path.write_bytes(b"damaged")
    for path in (store / "raw" / "layers").rglob("*.parquet"):
        path.unlink()
    edit_tensor(folder, OUT, flip_first)
    found = check_sources(store)
    assert (found.models, found.ranges, len(found.problems)) == (1, RANGES, 1)


def test_units_whose_manifests_are_damaged_are_passed_over(folder: Path, store: Path) -> None:
    sweep_alone(store, folder)
    manifests = sorted((store / "_units").rglob("0000*.json"))
    manifests[0].write_bytes(b"{")
    found = check_sources(store)
    assert (found.models, found.ranges, found.problems) == (1, RANGES // 2, ())
    manifests[1].unlink()
    found = check_sources(store)
    assert [problem.what for problem in found.problems] == [
        "its source is not compared: the store has lost its digests"
    ]
    assert found.models == 0


@pytest.mark.parametrize("remains", [True, False])
def test_a_damaged_models_table(folder: Path, store: Path, remains: bool) -> None:
    sweep_alone(store, folder)
    (table,) = (store / "models").rglob("*.parquet")
    table.write_bytes(table.read_bytes()[:-1] + b"?") if remains else table.unlink()
    found = check_sources(store)
    (line,) = map(str, found.problems)
    assert line.endswith("its source is not compared: the store has lost its row of the models table")
    assert (found.asked, found.models) == (1, 0)


def test_units_that_read_a_shared_tensor_differently(tmp_path: Path, store: Path) -> None:
    """The last reading was not what the source holds: found although the units before read it right."""
    folder = fused_experts(tmp_path / "experts")
    sweep_alone(store, folder, max_unit_bytes=1)
    gain = "model.layers.0.post_attention_layernorm.weight"
    *_, manifest = (path for path in sorted((store / "_units").rglob("00000-*.json")) if gain in path.read_text())
    lines = manifest.read_text().splitlines()
    place = next(number for number, line in enumerate(lines) if gain in line)
    lines[place] = lines[place].replace(lines[place].split('"')[3], "0" * 16)
    manifest.write_text("\n".join(lines))
    (line,) = map(str, check_sources(store).problems)
    assert f"{gain}: recorded digest {'0' * 16}, the source now has " in line


def test_a_bucket(folder: Path, store: Path, nanio: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in nanio.environment().items():
        monkeypatch.setenv(name, value)
    bucket, client = nanio.make_bucket(f"models-{uuid.uuid4().hex[:12]}"), nanio.client()
    for path in folder.iterdir():
        client.put_object(Bucket=bucket, Key=f"some/model/{path.name}", Body=path.read_bytes())
    sweep_alone(store, f"s3://{bucket}/some/model", endpoint_url=nanio.endpoint_url)
    there = SourcesSettings(endpoint_url=nanio.endpoint_url)
    assert check_sources(store, models=there).problems == ()
    edit_tensor(folder, IN, flip_first)
    client.put_object(Bucket=bucket, Key=f"some/model/{FIRST}", Body=(folder / FIRST).read_bytes())
    found = check_sources(store, models=there)
    (line,) = map(str, found.problems)
    assert f"{IN}: recorded digest" in line
    assert nanio.secret_key not in line


@pytest.mark.parametrize("most", [1, 6000])
def test_ranges_that_do_not_fit_into_memory_together(
    folder: Path, store: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    sweep_alone(store, folder)
    edit_tensor(folder, OUT, flip_first)
    together = check_sources(store)
    monkeypatch.setattr("gated_ray.verification._BYTES_AT_ONCE", most)
    assert check_sources(store) == together


def test_ranges_are_found_by_their_names() -> None:
    def record(name: str) -> TensorRecord:
        return TensorRecord(name, "BF16", (9, 4), FileVersion("model.safetensors", 100, "1"), 20, 92)

    records = {name: record(name) for name in ("w", "w[2:5]", "other")}
    for part in (TensorSlice(records["w"]), TensorSlice(records["w"], 0, 9), TensorSlice(records["w"], 3, 4)):
        assert named_slice(part.name, records) == part
    assert named_slice("w[2:5]", records) == TensorSlice(records["w[2:5]"])
    for name in ("v", "w[3:3]", "w[4:3]", "w[0:10]", "w[-1:3]", "w[1]", "w[1:2", "w[0:" + "9" * 5000 + "]"):
        with pytest.raises(CheckpointError, match="the source no longer has"):
            named_slice(name, records)


def made_up_ranges(layers: int, each: int) -> list[RecordedRange]:
    return [
        RecordedRange(layer, "mlp", f"layers.{layer}.{name}", f"{layer * each + name:016x}")
        for layer in range(layers)
        for name in range(each)
    ]


def test_a_sample_is_spread_over_the_layers() -> None:
    ranges = made_up_ranges(10, 5)
    for count, most in ((4, 1), (10, 1), (16, 2), (49, 5)):
        chosen = sample_of(ranges, count, 0)
        of_layer = [sum(each.layer == layer for each in chosen) for layer in range(10)]
        assert len(set(chosen)) == len(chosen) == count
        assert max(of_layer) == most
        assert max(of_layer) - min(of_layer) <= 1


def test_a_sample_follows_from_names_and_seed_alone() -> None:
    ranges = made_up_ranges(10, 5)
    samples = {seed: tuple(sample_of(ranges, 16, seed)) for seed in range(20)}
    assert len(set(samples.values())) == 20
    assert set().union(*samples.values()) == set(ranges)
    assert all(tuple(sample_of(reversed(ranges), 16, seed)) == chosen for seed, chosen in samples.items())


@pytest.mark.parametrize("count", [None, 50, 1000])
def test_all_ranges_where_so_many_are_asked_for(count: int | None) -> None:
    ranges = made_up_ranges(10, 5)
    assert sorted(sample_of(ranges, count, 0)) == sorted(ranges)
