"""Every family: which tensors are found to be a neuron's vectors, which way round, behind which norm."""

from collections import Counter
from pathlib import Path

import pytest

from gated_ray.architectures.blocks import Block
from gated_ray.architectures.rules import built_in_rules
from tests.architectures.finding import edit_config, found_in, rename_tensors, tiny_case
from tests.checkpoints.hub_names import HUB_STYLES, use_hub_names
from tests.checkpoints.tiny import CASES, D_MLP, D_MODEL, LAYERS, tiny_checkpoint

_LLAMA = (
    "model.layers.1.mlp.gate_proj.weight",
    "model.layers.1.mlp.up_proj.weight",
    "model.layers.1.mlp.down_proj.weight",
)
_LLAMA_NORM = "model.layers.1.post_attention_layernorm.weight"
_NEOX = (None, "gpt_neox.layers.1.mlp.dense_h_to_4h.weight", "gpt_neox.layers.1.mlp.dense_4h_to_h.weight")
_OPT = (None, "model.decoder.layers.1.fc1.weight", "model.decoder.layers.1.fc2.weight")


def _t5(stack: str, sublayer: int, gate: str | None, w_in: str) -> tuple[str | None, ...]:
    layer = f"{stack}.block.1.layer.{sublayer}"
    block = f"{layer}.DenseReluDense"
    gate_name = None if gate is None else f"{block}.{gate}.weight"
    return gate_name, f"{block}.{w_in}.weight", f"{block}.wo.weight", "rms", f"{layer}.layer_norm.weight", None


# Layer 1 of each case, by component: gate, in, out, kind of the norm before, its gain, gain of the norm after.
TENSORS: dict[str, dict[str, tuple[str | None, ...]]] = {
    "llama": {"mlp": (*_LLAMA, "rms", _LLAMA_NORM, None)},
    "mistral": {"mlp": (*_LLAMA, "rms", _LLAMA_NORM, None)},
    "qwen2": {"mlp": (*_LLAMA, "rms", _LLAMA_NORM, None)},
    "gemma2": {
        "mlp": (
            *_LLAMA,
            "rms",
            "model.layers.1.pre_feedforward_layernorm.weight",
            "model.layers.1.post_feedforward_layernorm.weight",
        )
    },
    "olmo": {"mlp": (*_LLAMA, "layer", None, None)},
    "gpt2": {
        "mlp": (
            None,
            "transformer.h.1.mlp.c_fc.weight",
            "transformer.h.1.mlp.c_proj.weight",
            "layer",
            "transformer.h.1.ln_2.weight",
            None,
        )
    },
    "gptj": {
        "mlp": (
            None,
            "transformer.h.1.mlp.fc_in.weight",
            "transformer.h.1.mlp.fc_out.weight",
            "layer",
            "transformer.h.1.ln_1.weight",
            None,
        )
    },
    "bloom": {
        "mlp": (
            None,
            "transformer.h.1.mlp.dense_h_to_4h.weight",
            "transformer.h.1.mlp.dense_4h_to_h.weight",
            "layer",
            "transformer.h.1.post_attention_layernorm.weight",
            None,
        )
    },
    "gpt_neox": {"mlp": (*_NEOX, "layer", "gpt_neox.layers.1.post_attention_layernorm.weight", None)},
    "gpt_neox_sequential": {"mlp": (*_NEOX, "layer", "gpt_neox.layers.1.post_attention_layernorm.weight", None)},
    "opt": {"mlp": (*_OPT, "layer", "model.decoder.layers.1.final_layer_norm.weight", None)},
    "opt_post_norm": {"mlp": (*_OPT, "none", None, None)},
    "bert": {
        "mlp": (
            None,
            "bert.encoder.layer.1.intermediate.dense.weight",
            "bert.encoder.layer.1.output.dense.weight",
            "none",
            None,
            None,
        )
    },
    "t5": {"encoder_mlp": _t5("encoder", 1, None, "wi"), "decoder_mlp": _t5("decoder", 2, None, "wi")},
    "t5_gated": {"encoder_mlp": _t5("encoder", 1, "wi_0", "wi_1"), "decoder_mlp": _t5("decoder", 2, "wi_0", "wi_1")},
}

ACTIVATIONS = {
    "llama": "silu",
    "mistral": "silu",
    "qwen2": "silu",
    "gemma2": "gelu_pytorch_tanh",
    "olmo": "silu",
    "gpt2": "gelu_new",
    "gptj": "gelu_new",
    "bloom": "gelu_tanh",
    "gpt_neox": "gelu",
    "gpt_neox_sequential": "gelu",
    "opt": "relu",
    "opt_post_norm": "relu",
    "bert": "gelu",
    "t5": "relu",
    "t5_gated": "gelu_new",
}


def _names(block: Block) -> tuple[str | None, ...]:
    gate = None if block.gate is None else block.gate.name
    pre = None if block.pre_norm is None else block.pre_norm.record.name
    assert len(block.write) <= 1
    post = block.write[0].record.name if block.write else None
    return gate, block.w_in.name, block.w_out.name, block.norm, pre, post


def test_every_case_is_of_a_family() -> None:
    assert {model_type for model_type, _ in CASES.values()} <= set(built_in_rules().families)
    assert TENSORS.keys() == ACTIVATIONS.keys() == CASES.keys()


@pytest.mark.parametrize("case", CASES)
def test_tensors_of_a_family(tmp_path: Path, case: str) -> None:
    blocks = found_in(tiny_case(tmp_path, case))
    components = list(TENSORS[case])
    assert [(block.component, block.layer) for block in blocks] == [
        (component, layer) for component in components for layer in range(LAYERS)
    ]
    assert {block.component: _names(block) for block in blocks if block.layer == 1} == TENSORS[case]
    for block in blocks:
        assert (block.neurons, block.d_model) == (D_MLP, D_MODEL)
        assert all((matrix.neurons, matrix.d_model) == (D_MLP, D_MODEL) for matrix in block.matrices)
        assert block.gated == (TENSORS[case][block.component][0] is not None)
        assert {factor.kind for factor in block.factors} <= {"1+w" if case == "gemma2" else "w"}
        assert (block.multiplier, block.gate_multiplier, block.inner_norm) == (1.0, 1.0, None)
        assert block.product == "act(gate) * in"
        assert block.activation == ACTIVATIONS[case]
        assert block.expert is None


@pytest.mark.parametrize("case", CASES)
def test_neurons_are_the_side_that_d_mlp_names(tmp_path: Path, case: str) -> None:
    """GPT-2's Conv1D stores (inputs, outputs), all others (outputs, inputs)."""
    for block in found_in(tiny_case(tmp_path, case)):
        reads_by_rows = case != "gpt2"
        assert [matrix.neurons_are_rows for matrix in block.matrices] == (
            [reads_by_rows] * (len(block.matrices) - 1) + [not reads_by_rows]
        )


@pytest.mark.parametrize("case", CASES)
def test_slices_are_all_that_the_numbers_rest_on(tmp_path: Path, case: str) -> None:
    for block in found_in(tiny_case(tmp_path, case)):
        names = [part.name for part in block.slices]
        gate, w_in, w_out, _, *norms = _names(block)
        assert names == [name for name in (gate, w_in, w_out, *norms) if name is not None]
        assert block.bytes == 4 * (len(block.matrices) * D_MLP * D_MODEL + (len(names) - len(block.matrices)) * D_MODEL)


@pytest.mark.parametrize("style", HUB_STYLES)
def test_names_of_the_hub(tmp_path: Path, style: str) -> None:
    folder = tiny_case(tmp_path, style.removesuffix("_bare"))
    before = [(block.layer, block.w_in.shape, block.norm) for block in found_in(folder)]
    use_hub_names(folder, style)
    assert [(block.layer, block.w_in.shape, block.norm) for block in found_in(folder)] == before


@pytest.mark.parametrize("case", [case for case in CASES if not case.startswith("t5")])
@pytest.mark.parametrize("prefix", ["", "model.", "backbone.model."])
def test_the_prefix_does_not_matter(tmp_path: Path, case: str, prefix: str) -> None:
    """As saved with and without a head, and within other modules; T5's stacks are told apart by their prefix."""
    folder = tiny_case(tmp_path, case)
    before = found_in(folder)
    usual = before[0].w_in.name.split(".")[0] + "."
    rename_tensors(folder, lambda name: prefix + name.removeprefix(usual))
    assert [_names(block)[1:3] for block in found_in(folder)] == [
        tuple(prefix + (name or "").removeprefix(usual) for name in _names(block)[1:3]) for block in before
    ]


def test_two_stacks_of_different_depth(tmp_path: Path) -> None:
    tiny_checkpoint(tmp_path, "t5", num_decoder_layers=3)
    assert Counter(block.component for block in found_in(tmp_path)) == {"encoder_mlp": LAYERS, "decoder_mlp": 3}


@pytest.mark.parametrize(
    ("case", "key", "activation"),
    [("t5", "feed_forward_proj", "relu"), ("llama", "hidden_act", None), ("bloom", "hidden_act", "gelu_tanh")],
)
def test_activation_that_the_config_does_not_name(tmp_path: Path, case: str, key: str, activation: str | None) -> None:
    """The first T5 configs say nothing about it; they are all ReLU."""
    folder = tiny_case(tmp_path, case)
    edit_config(folder, key)
    assert {block.activation for block in found_in(folder)} == {activation}
