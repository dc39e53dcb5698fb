"""Each broken checkpoint has the fault its name says, and no other."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import SafetensorError, safe_open
from transformers import AutoModelForCausalLM

from tests.checkpoints.broken import BROKEN, UNUSUAL
from tests.checkpoints.raw_safetensors import read_raw, unpack
from tests.checkpoints.reference import class_table, reference_geometry
from tests.checkpoints.sound import (
    CONFIG,
    D_MLP,
    D_MODEL,
    FIRST,
    GAIN,
    GATE,
    IN,
    INDEX,
    LAST,
    LAYERS,
    OUT,
    sound_checkpoint,
)

MALFORMED = {
    "truncated_shard",
    "truncated_header",
    "empty_shard",
    "header_over_limit",
    "header_not_json",
    "overlapping_offsets",
    "hole_in_offsets",
    "shape_larger_than_data",
}
REMOVED = {
    "missing_shard": {LAST},
    "shard_outside_folder": {FIRST},
    "no_config": {CONFIG},
    "only_pickles": {FIRST, LAST, INDEX},
    "no_weights": {FIRST, LAST, INDEX},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return sound_checkpoint(tmp_path / "checkpoint")


def _is_well_formed(shard: Path) -> bool:
    try:
        with safe_open(shard, framework="numpy"):
            return True
    except SafetensorError:
        return False


def test_sound_checkpoint_is_sound(folder: Path) -> None:
    _, report = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")), report
    assert {GATE, IN, OUT} <= set(unpack(folder / FIRST))
    assert sum(class_table(reference_geometry(folder))[1, "mlp"].values()) == D_MLP


@pytest.mark.parametrize("name", BROKEN)
def test_only_what_is_meant_is_broken(folder: Path, name: str) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    BROKEN[name](folder)
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert before.keys() - after.keys() == REMOVED.get(name, set())
    assert len({file for file in before if before[file] != after.get(file)} - REMOVED.get(name, set())) <= 1
    assert before != after
    malformed = {path.name for path in folder.glob("model*.safetensors") if not _is_well_formed(path)}
    assert malformed == ({FIRST} if name in MALFORMED else set())
    assert BROKEN[name].words


def test_missing_tensor_is_in_the_index_only(folder: Path) -> None:
    BROKEN["missing_tensor"](folder)
    assert json.loads((folder / INDEX).read_text())["weight_map"][IN] == FIRST
    assert IN not in unpack(folder / FIRST)


def test_header_over_limit_announces_more_than_100_mb(folder: Path) -> None:
    BROKEN["header_over_limit"](folder)
    assert int.from_bytes((folder / FIRST).read_bytes()[:8], "little") > 100_000_000


def test_offsets(folder: Path) -> None:
    BROKEN["overlapping_offsets"](folder)
    header, _ = read_raw(folder / FIRST)
    assert header[IN]["data_offsets"] == header[GATE]["data_offsets"]


def test_hole_keeps_every_tensor_within_the_file(folder: Path) -> None:
    BROKEN["hole_in_offsets"](folder)
    header, data = read_raw(folder / FIRST)
    ends = sorted(entry["data_offsets"] for name, entry in header.items() if name != "__metadata__")
    assert ends[-1][1] == len(data)
    assert ends[-1][0] == ends[-2][1] + 8


@pytest.mark.parametrize(
    ("name", "shard"), [("shard_outside_folder", "../evil.safetensors"), ("absolute_shard_name", "/etc/passwd")]
)
def test_shard_names_with_paths(folder: Path, name: str, shard: str) -> None:
    BROKEN[name](folder)
    assert set(json.loads((folder / INDEX).read_text())["weight_map"].values()) == {shard, LAST}
    assert (folder / shard).exists()


def test_tensor_in_two_shards_has_two_values(folder: Path) -> None:
    BROKEN["tensor_in_two_shards"](folder)
    first, last = unpack(folder / FIRST)[IN], unpack(folder / LAST)[IN]
    assert first.shape == last.shape
    assert first.data != last.data


@pytest.mark.parametrize(
    ("name", "tensor", "shard", "dtype", "shape"),
    [
        ("other_d_mlp_in_out", OUT, FIRST, "BF16", (D_MODEL, D_MLP - 1)),
        ("other_d_mlp_in_gate", GATE, FIRST, "BF16", (D_MLP - 1, D_MODEL)),
        ("gain_too_short", GAIN, LAST, "BF16", (D_MODEL - 1,)),
        ("dtype_I8", GATE, FIRST, "I8", (D_MLP, D_MODEL)),
        ("dtype_F8_E4M3", GATE, FIRST, "F8_E4M3", (D_MLP, D_MODEL)),
    ],
)
def test_shapes_and_dtypes(
    folder: Path, name: str, tensor: str, shard: str, dtype: str, shape: tuple[int, ...]
) -> None:
    BROKEN[name](folder)
    found = unpack(folder / shard)[tensor]
    assert (found.dtype, found.shape) == (dtype, shape)


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("unknown_model_type", "model_type", "perceptron_of_1958"),
        ("no_model_type", "model_type", None),
        ("layer_missing", "num_hidden_layers", LAYERS + 1),
        ("layer_unannounced", "num_hidden_layers", LAYERS - 1),
        ("quantized_hqq", "quantization_config", {"quant_method": "hqq", "bits": 4}),
    ],
)
def test_configs(folder: Path, name: str, key: str, value: object) -> None:
    BROKEN[name](folder)
    assert json.loads((folder / CONFIG).read_text()).get(key) == value


def test_only_pickles_leaves_a_pickle(folder: Path) -> None:
    BROKEN["only_pickles"](folder)
    assert sorted(path.name for path in folder.iterdir()) == [CONFIG, "pytorch_model.bin"]


def test_zero_vectors_have_no_class(folder: Path) -> None:
    UNUSUAL["zero_vectors"](folder)
    _assert_without_class(folder, {0: "cos_in_out", 1: "cos_gate_out", 2: "cos_gate_in"})


def test_nonfinite_weights_have_no_class(folder: Path) -> None:
    UNUSUAL["nonfinite_weights"](folder)
    _assert_without_class(folder, {3: "cos_in_out", 4: "cos_gate_out", 5: "cos_gate_in"})


def _assert_without_class(folder: Path, left: dict[int, str]) -> None:
    """Just these neurons of layer 0 have no class, and each has just the one cosine that is left to it."""
    geometry = reference_geometry(folder)
    classes = geometry[0, "mlp"]["io_class"]
    assert [neuron for neuron, name in enumerate(classes) if name is None] == sorted(left)
    assert all(name is not None for name in geometry[1, "mlp"]["io_class"])
    for neuron, cosine in left.items():
        known = {
            name
            for name in ("cos_gate_in", "cos_gate_out", "cos_in_out")
            if np.isfinite(geometry[0, "mlp"][name][neuron])
        }
        assert known == {cosine}


def test_consolidated_is_another_checkpoint(folder: Path) -> None:
    before = reference_geometry(folder)[0, "mlp"]["cos_in_out"]
    UNUSUAL["consolidated_beside"](folder)
    assert _is_well_formed(folder / "consolidated.safetensors")
    np.testing.assert_array_equal(reference_geometry(folder)[0, "mlp"]["cos_in_out"], before)
