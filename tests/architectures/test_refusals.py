"""Checkpoints that contradict themselves or that we cannot read: one clear line each."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from gated_ray.architectures.finding import find_architecture
from gated_ray.errors import CheckpointError, InputError, UnsupportedError
from gated_ray.sources.checkpoint import open_checkpoint
from tests.architectures.finding import (
    edit_config,
    edit_tensors,
    found_in,
    names_tensor,
    rename_tensors,
    tiny_case,
)
from tests.checkpoints.broken import BROKEN
from tests.checkpoints.raw_safetensors import StoredTensor
from tests.checkpoints.sound import sound_checkpoint
from tests.checkpoints.tiny import D_MLP, D_MODEL, LAYERS

IN = "model.layers.0.mlp.up_proj.weight"


def _refusal(folder: Path, kind: type[InputError]) -> str:
    """The one line that a checkpoint is refused with; it begins with the checkpoint."""
    with pytest.raises(kind) as refused:
        found_in(folder)
    assert kind is InputError or type(refused.value) is kind
    message = str(refused.value)
    assert message.startswith(f"{folder}: ")
    assert "\n" not in message
    return message


@pytest.fixture
def llama(tmp_path: Path) -> Path:
    return tiny_case(tmp_path / "llama", "llama")


def test_an_unknown_model_type_without_plain_names_is_named_and_so_is_what_it_has(llama: Path) -> None:
    edit_config(llama, model_type="perceptron_of_1958")
    rename_tensors(llama, lambda name: name.replace("mlp.gate_proj", "mlp.dendrite"))
    message = _refusal(llama, UnsupportedError)
    for words in ("perceptron_of_1958", "model.layers.N.mlp.dendrite.weight", "(64, 16)", "architectures.extra=FILE"):
        assert words in message


@pytest.mark.parametrize("method", ["hqq", "quanto", "exl2", "aqlm", "quip", "torchao", "eetq", "spqr", "vptq"])
@pytest.mark.parametrize("key", ["quantization_config", "compression_config"])
def test_quantized_is_refused_by_its_method(llama: Path, method: str, key: str) -> None:
    edit_config(llama, **{key: {"quant_method": method}})
    assert method in _refusal(llama, UnsupportedError)


def test_quantized_without_a_method(llama: Path) -> None:
    edit_config(llama, quantization_config={"bits": 4})
    assert "quantized" in _refusal(llama, UnsupportedError)


@pytest.mark.parametrize("nothing", [None, {}])
def test_an_empty_quantization_config_means_none(llama: Path, nothing: object) -> None:
    edit_config(llama, quantization_config=nothing)
    assert len(found_in(llama)) == LAYERS


def _with(name: str, tensor: StoredTensor) -> Callable[[dict[str, StoredTensor]], dict[str, StoredTensor]]:
    return lambda tensors: tensors | {name: tensor}


@pytest.mark.parametrize("end", ["weight_scale_inv", "lora_A.weight", "qweight", "weight_mask", "base_layer.weight"])
@pytest.mark.parametrize("matrix", ["gate_proj", "up_proj", "down_proj"])
def test_a_companion_that_changes_a_weights_meaning(llama: Path, end: str, matrix: str) -> None:
    name = f"model.layers.1.mlp.{matrix}.{end}"
    edit_tensors(llama, _with(name, StoredTensor("F32", (1,), bytes(4))))
    assert names_tensor(_refusal(llama, UnsupportedError), name)


@pytest.mark.parametrize(
    ("name", "length"),
    [
        ("model.layers.0.mlp.up_proj.bias", D_MLP),
        ("model.layers.0.self_attn.q_proj.lora_A.weight", 1),
        ("model.layers.0.self_attn.rotary_emb.inv_freq", 8),
    ],
)
def test_tensors_that_change_nothing(llama: Path, name: str, length: int) -> None:
    edit_tensors(llama, _with(name, StoredTensor("F32", (length,), bytes(4 * length))))
    assert len(found_in(llama)) == LAYERS


def test_a_bias_of_another_length(llama: Path) -> None:
    name = "model.layers.0.mlp.up_proj.bias"
    edit_tensors(llama, _with(name, StoredTensor("F32", (D_MODEL,), bytes(4 * D_MODEL))))
    assert name in _refusal(llama, CheckpointError)


@pytest.mark.parametrize("name", ["I8", "U8", "F8_E4M3"])
def test_a_dtype_that_is_no_plain_float(tmp_path: Path, name: str) -> None:
    folder = sound_checkpoint(tmp_path / "sound")
    BROKEN[f"dtype_{name}"](folder)
    assert name in _refusal(folder, UnsupportedError)


@pytest.mark.parametrize("layers", [1, 3])
def test_layers_that_the_config_does_not_count(llama: Path, layers: int) -> None:
    edit_config(llama, num_hidden_layers=layers)
    assert f"num_hidden_layers={layers}," in _refusal(llama, CheckpointError)


def test_a_hole_in_the_layers(llama: Path) -> None:
    edit_config(llama, num_hidden_layers=3)
    edit_tensors(
        llama,
        lambda tensors: {name.replace("layers.1.", "layers.2."): tensor for name, tensor in tensors.items()},
    )
    assert "model.layers.1 " in _refusal(llama, CheckpointError)


@pytest.mark.parametrize("count", [0, -1, True, "2", 2.5])
def test_a_layer_count_that_is_none(llama: Path, count: object) -> None:
    edit_config(llama, num_hidden_layers=count)
    assert "num_hidden_layers=" in _refusal(llama, CheckpointError)


@pytest.mark.parametrize("name", ["gate_proj", "up_proj", "down_proj", "../post_attention_layernorm"])
def test_a_missing_tensor_is_named(llama: Path, name: str) -> None:
    missing = re.sub(r"mlp\.\.\./", "", f"model.layers.1.mlp.{name}.weight")
    edit_tensors(llama, lambda tensors: {key: tensors[key] for key in tensors if key != missing})
    assert names_tensor(_refusal(llama, CheckpointError), missing)


def test_a_count_of_layers_that_config_does_not_state_is_that_of_the_tensors(llama: Path) -> None:
    edit_config(llama, "num_hidden_layers")
    assert len(found_in(llama)) == LAYERS


def test_no_block_at_all(llama: Path) -> None:
    edit_tensors(llama, lambda tensors: {key: tensors[key] for key in tensors if ".mlp." not in key})
    message = _refusal(llama, UnsupportedError)
    assert "'llama'" in message
    assert "gate_proj.weight" in message


def test_layers_under_two_prefixes(llama: Path) -> None:
    """The stack that has as many layers as config.json says is taken, and the other recorded; both have: refused."""
    block = [f"model.layers.0.mlp.{name}_proj.weight" for name in ("gate", "up", "down")]
    edit_tensors(llama, lambda tensors: tensors | {name.removeprefix("model."): tensors[name] for name in block})
    assert find_architecture(open_checkpoint(str(llama))).left_out == ("layers",)
    second = [name.replace("layers.0", "layers.1") for name in block]
    edit_tensors(llama, lambda tensors: tensors | {name.removeprefix("model."): tensors[name] for name in second})
    message = _refusal(llama, UnsupportedError)
    assert "layers, model.layers" in message


def test_t5_gated_and_plain_at_once(tmp_path: Path) -> None:
    folder = tiny_case(tmp_path / "t5", "t5_gated")
    gated = "decoder.block.0.layer.2.DenseReluDense.wi_1.weight"
    plain = gated.replace("wi_1", "wi")
    edit_tensors(folder, lambda tensors: tensors | {plain: tensors[gated]})
    message = _refusal(folder, UnsupportedError)
    assert "DenseReluDense.wo.weight could be read in two ways" in message


def test_t5_without_a_decoder(tmp_path: Path) -> None:
    folder = tiny_case(tmp_path / "t5", "t5")
    edit_tensors(folder, lambda tensors: {key: tensors[key] for key in tensors if not key.startswith("decoder.block")})
    assert "decoder" in _refusal(folder, CheckpointError)


@pytest.mark.parametrize(
    ("matrix", "shape"),
    [
        ("gate_proj", (D_MLP - 1, D_MODEL)),
        ("gate_proj", (D_MLP, D_MODEL - 1)),
        ("down_proj", (D_MODEL, D_MLP - 1)),
        ("down_proj", (D_MLP, D_MODEL)),
        ("up_proj", (D_MODEL, D_MLP)),
        ("up_proj", (D_MLP * D_MODEL,)),
        ("up_proj", (D_MLP, D_MODEL, 1)),
        ("up_proj", (0, D_MODEL)),
        ("down_proj", (0, 0)),
    ],
)
def test_shapes_that_disagree(llama: Path, matrix: str, shape: tuple[int, ...]) -> None:
    name = f"model.layers.0.mlp.{matrix}.weight"
    size = 4
    for length in shape:
        size *= length
    edit_tensors(llama, _with(name, StoredTensor("F32", shape, bytes(size))))
    assert str(shape) in _refusal(llama, CheckpointError)


def test_matrices_without_a_neuron(llama: Path) -> None:
    edit_config(llama, "intermediate_size")
    shapes = {"gate_proj": (0, D_MODEL), "up_proj": (0, D_MODEL), "down_proj": (D_MODEL, 0)}
    for matrix, shape in shapes.items():
        edit_tensors(llama, _with(f"model.layers.0.mlp.{matrix}.weight", StoredTensor("F32", shape, b"")))
    assert str((0, D_MODEL)) in _refusal(llama, CheckpointError)


def test_a_gain_of_another_width(llama: Path) -> None:
    name = "model.layers.1.post_attention_layernorm.weight"
    edit_tensors(llama, _with(name, StoredTensor("F32", (D_MODEL + 1,), bytes(4 * (D_MODEL + 1)))))
    assert name in _refusal(llama, CheckpointError)


@pytest.mark.parametrize("key", ["hidden_size", "intermediate_size"])
def test_sizes_that_the_config_denies(llama: Path, key: str) -> None:
    edit_config(llama, **{key: 48})
    message = _refusal(llama, CheckpointError)
    assert f"{key}=48" in message
    assert IN in message


def test_sizes_that_the_config_does_not_name(llama: Path) -> None:
    edit_config(llama, "hidden_size", "intermediate_size")
    assert [(block.neurons, block.d_model) for block in found_in(llama)] == [(D_MLP, D_MODEL)] * LAYERS


def test_opt_must_say_where_its_norm_is(tmp_path: Path) -> None:
    folder = tiny_case(tmp_path / "opt", "opt")
    edit_config(folder, "do_layer_norm_before")
    assert {block.norm for block in found_in(folder)} == {"layer"}, "transformers' default, which nested configs omit"
    edit_config(folder, do_layer_norm_before="sometimes")
    assert "sometimes" in _refusal(folder, UnsupportedError)
