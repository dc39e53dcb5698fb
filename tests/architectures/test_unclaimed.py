"""Whatever is added to a layer with blocks, taken from it or renamed in it: refused, and the tensor named."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gated_ray.architectures.finding import Architecture
from gated_ray.errors import InputError
from tests.architectures.finding import names_tensor
from tests.architectures.measured import architecture_of
from tests.checkpoints.raw_models import (
    D_MLP,
    D_MODEL,
    RawModel,
    add_tensor,
    drop,
    edited,
    fused_moe,
    gated,
    gpt_oss,
    llama,
    model_of,
    moe,
    norms,
    phi3,
    rename,
)

_GPT2 = model_of(
    "gpt2",
    {"mlp.c_fc.weight": (D_MODEL, D_MLP), "mlp.c_proj.weight": (D_MLP, D_MODEL), **norms("ln_1", "ln_2")},
    stack="transformer.h",
    n_embd=D_MODEL,
    n_layer=2,
    n_inner=D_MLP,
)
_GEMMA2 = norms(
    "input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm"
)

SOUND: dict[str, RawModel] = {
    "llama": llama(),
    "tomorrow_lm": llama("tomorrow_lm"),
    "gemma2": model_of("gemma2", {**_GEMMA2, **gated("mlp")}, intermediate_size=D_MLP),
    "olmo2": model_of("olmo2", {**norms("post_attention_layernorm", "post_feedforward_layernorm"), **gated("mlp")}),
    "phi3": phi3(),
    "gpt2": _GPT2,
    "qwen3_moe": moe(),
    "qwen2_moe": moe("qwen2_moe", shared="shared_expert"),
    "fused": fused_moe(),
    "gpt_oss": gpt_oss(),
}

IN_A_MODULE = {
    "lora_A.weight": (4, D_MODEL),
    "gate_proj_2.weight": (D_MLP, D_MODEL),
    "adapter.down.weight": (4, D_MODEL),
    "scale": (1,),
    "output_scale.weight": (D_MODEL,),
    "mask": (D_MLP, D_MODEL),
    "norm.weight": (D_MLP,),
    "alpha": (),
    "act.beta": (D_MLP,),
    "down_proj.weight_g": (D_MODEL, 1),
    "down_proj.lora_B.weight": (D_MODEL, 4),
    "rotation": (D_MODEL, D_MODEL),
    "b1": (D_MLP,),
    "latent_in.weight": (8, D_MODEL),
    "shared_head.weight": (D_MLP, D_MODEL),
}
"""Tensors that change what a block's weights mean, by their name within the block's module."""

BESIDE_IT = {
    "mlp2.up_proj.weight": (D_MLP, D_MODEL),
    "ffn.fc1.weight": (D_MLP, D_MODEL),
    "feed_forward.w1.weight": (8, D_MODEL),
    "dense_h_to_4h.weight": (D_MLP, D_MODEL),
    "moe.experts.0.w.weight": (5, D_MODEL),
    "expert_9.up.weight": (5, D_MODEL),
    "adapter.up_proj.weight": (D_MODEL, 4),
    "mlp_gate.weight": (1, D_MODEL),
}
"""Tensors elsewhere in a layer that have an MLP's name."""


def _modules(model: RawModel) -> list[str]:
    """Every module of the last layer that holds blocks, or one block."""
    inner = re.compile(re.escape(_mlp(model)) + r"(experts\.(\d+\.)?|shared_expert\.)?")
    return sorted({match[0] for name in model.shapes if (match := inner.match(name))})


def _mlp(model: RawModel) -> str:
    return f"{_layer(model)}.mlp."


def _layer(model: RawModel) -> str:
    return "transformer.h.1" if model is _GPT2 else "model.layers.1"


def _refusal(model: RawModel, folder: Path) -> str:
    """The line that a model is refused with; empty where it is not."""
    try:
        architecture_of(model, folder)
    except InputError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("case", SOUND)
def test_sound_ones_are_sound(tmp_path: Path, case: str) -> None:
    assert isinstance(architecture_of(SOUND[case], tmp_path), Architecture)


@pytest.mark.parametrize("case", SOUND)
def test_anything_more_in_the_module_of_a_block(tmp_path: Path, case: str) -> None:
    model = SOUND[case]
    unnamed = {}
    for module in _modules(model):
        for name, shape in IN_A_MODULE.items():
            message = _refusal(edited(model, add_tensor(module + name, shape)), tmp_path)
            if not names_tensor(message, module + name):
                unnamed[module + name] = message
    assert not unnamed


@pytest.mark.parametrize("case", SOUND)
def test_anything_like_an_mlp_elsewhere_in_the_layer(tmp_path: Path, case: str) -> None:
    model = SOUND[case]
    shape_of_a_block = architecture_of(model, tmp_path).blocks[-1].w_in.shape
    shaped = {"parallel_block.a.weight": shape_of_a_block, "linear": shape_of_a_block[::-1]}
    unnamed = {}
    for name, shape in {**BESIDE_IT, **shaped}.items():
        tensor = f"{_layer(model)}.{name}"
        message = _refusal(edited(model, add_tensor(tensor, shape)), tmp_path)
        if not names_tensor(message, tensor):
            unnamed[tensor] = message
    assert not unnamed


def _needed(model: RawModel, folder: Path) -> Iterator[str]:
    """Every tensor that a block of the model rests on."""
    names = {part.record.name for block in architecture_of(model, folder).blocks for part in block.slices}
    yield from sorted(names)


@pytest.mark.parametrize("case", SOUND)
def test_any_tensor_of_a_block_missing(tmp_path: Path, case: str) -> None:
    model = SOUND[case]
    unnamed = {}
    for tensor in _needed(model, tmp_path):
        message = _refusal(edited(model, drop(f"^{re.escape(tensor)}$")), tmp_path)
        if not _names_loss(message, tensor, case):
            unnamed[tensor] = message
    assert not unnamed


@pytest.mark.parametrize("case", SOUND)
def test_any_tensor_of_a_block_renamed(tmp_path: Path, case: str) -> None:
    model = SOUND[case]
    unnamed = {}
    for tensor in _needed(model, tmp_path):
        new = f"{tensor.removesuffix('.weight')}_x" + (".weight" if tensor.endswith(".weight") else "")
        message = _refusal(edited(model, rename(f"^{re.escape(tensor)}$", new)), tmp_path)
        if not (_names_loss(message, tensor, case) or names_tensor(message, new)):
            unnamed[tensor] = message
    assert not unnamed


def _names_loss(message: str, tensor: str, case: str) -> bool:
    """The tensor; or of an unknown type's norms, the layer, whose norms are listed."""
    return names_tensor(message, tensor) or (
        case == "tomorrow_lm" and "norm" in tensor and tensor.rpartition(".layers.")[0] in message and "norm" in message
    )


LETTERS = st.text("abcdefghijklmnopqrstuvwxyz_0123456789", min_size=1, max_size=12)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    case=st.sampled_from(sorted(SOUND)),
    parts=st.lists(LETTERS, min_size=1, max_size=3),
    shape=st.lists(st.integers(1, 30), max_size=3),
)
def test_any_name_at_all_in_the_module_of_a_block(
    tmp_path: Path, case: str, parts: list[str], shape: list[int]
) -> None:
    """Whatever it is called and whatever its shape, unless it is called as one of a block's, or as a router's."""
    model = SOUND[case]
    tensor = _mlp(model) + ".".join(parts)
    if tensor in model.shapes or re.match(r"gate$|router$|experts?\d*$|bias$|e_score|moe_statics", parts[0]):
        return
    message = _refusal(edited(model, add_tensor(tensor, tuple(shape))), tmp_path)
    assert names_tensor(message, tensor), (tensor, message)
