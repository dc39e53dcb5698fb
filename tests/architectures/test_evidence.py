"""A model type that nobody listed is read by its names alone; a listed one in whatever layout its files have."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.architectures.measured import architecture_of, assert_numbers, assert_same, measured, vectors
from tests.checkpoints.raw_models import (
    D_EXPERT,
    D_MLP,
    D_MODEL,
    EXPERTS,
    LAYERS,
    PRE_NORMS,
    Edit,
    RawModel,
    add_tensor,
    drop,
    edited,
    fill,
    gated,
    llama,
    model_of,
    moe,
    norms,
    rename,
    reshape,
    say,
    unsay,
)

TYPE = "tomorrow_lm"
PROFILES = ("paper", "residual")
OLMO2 = ("post_attention_layernorm", "post_feedforward_layernorm")


def _with_norms(*names: str, model_type: str = TYPE, biases: tuple[str, ...] = (), **config: Any) -> RawModel:
    layer = {**norms(*names), **{f"{name}.bias": (D_MODEL,) for name in biases}, **gated("mlp")}
    return model_of(model_type, layer, intermediate_size=D_MLP, **config)


LAYER_NORMS = ("input_layernorm", "post_attention_layernorm")

# Model, the known type of the same blocks if there is one with the same gains, and where norms stand.
PLAIN: dict[str, tuple[RawModel, str | None, dict[str, Any]]] = {
    "llama": (llama(TYPE), "llama", {}),
    "without_a_type": (llama(None), "llama", {}),
    "olmo2": (_with_norms(*OLMO2), "olmo2", {"pre": None, "posts": ["post_feedforward_layernorm"]}),
    "cohere_with_rms": (_with_norms("input_layernorm"), None, {"pre": "input_layernorm"}),
    "layer_norms": (
        edited(_with_norms(*LAYER_NORMS, biases=LAYER_NORMS, layer_norm_eps=1e-5), unsay("rms_norm_eps")),
        "stablelm",
        {"norm": "layer"},
    ),
}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("case", PLAIN)
def test_the_norms_tell_where_they_stand(tmp_path: Path, case: str, profile: str) -> None:
    model, known, where = PLAIN[case]
    expected = {
        (layer, "mlp", None): vectors(model, f"model.layers.{layer}", profile=profile, **where)
        for layer in range(LAYERS)
    }
    found = measured(model, tmp_path / "a", profile)
    assert_numbers(found, expected)
    if known is not None:
        assert_same(found, measured(edited(model, say(model_type=known)), tmp_path / "b", profile))


@pytest.mark.parametrize("case", PLAIN)
def test_what_the_names_told_is_recorded_as_such(tmp_path: Path, case: str) -> None:
    model, known, _ = PLAIN[case]
    found = architecture_of(model, tmp_path / "a")
    assert found.resolved_by == "names"
    assert found.model_type == model.config.get("model_type")
    assert "1 + w" in (found.caveat or "")
    if known is not None:
        listed = architecture_of(edited(model, say(model_type=known)), tmp_path / "b")
        assert (listed.resolved_by, listed.model_type, listed.caveat) == ("rules", known, None)


@pytest.mark.parametrize("key", ["rms_norm_eps", "rms_norm_epsilon"])
def test_a_key_of_the_config_tells_the_kind_of_norm(tmp_path: Path, key: str) -> None:
    model = edited(llama(TYPE), unsay("rms_norm_eps"), say(**{key: 1e-5}))
    assert {block.norm for block in architecture_of(model, tmp_path).blocks} == {"rms"}


def test_a_bias_counts_more_than_the_key(tmp_path: Path) -> None:
    model = _with_norms(*LAYER_NORMS, biases=LAYER_NORMS)
    assert {block.norm for block in architecture_of(model, tmp_path).blocks} == {"layer"}


@pytest.mark.parametrize("shared", ["", "shared_expert", "shared_experts"])
@pytest.mark.parametrize("profile", PROFILES)
def test_experts_one_by_one(tmp_path: Path, shared: str, profile: str) -> None:
    model = moe(TYPE, shared=shared)
    expected = {}
    for number in range(LAYERS):
        layer = f"model.layers.{number}"
        for expert in range(EXPERTS):
            expected[number, "expert", expert] = vectors(model, layer, f"mlp.experts.{expert}", profile=profile)
        if shared:
            expected[number, "shared_expert", None] = vectors(model, layer, f"mlp.{shared}", profile=profile)
    found = measured(model, tmp_path / "a", profile)
    assert sorted(found, key=str) == sorted(expected, key=str)
    assert_numbers(found, {key: expected[key] for key in found})
    assert_same(found, measured(edited(model, say(model_type="qwen2_moe")), tmp_path / "b", profile))


def test_more_than_ten_experts_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    layer = {**PRE_NORMS, "mlp.gate.weight": (12, D_MODEL)}
    for expert in sorted(range(12), key=str):
        layer |= gated(f"mlp.experts.{expert}", D_EXPERT)
    model = model_of(TYPE, layer, num_experts=12)
    blocks = architecture_of(model, tmp_path).blocks
    assert [block.expert for block in blocks] == [*range(12)] * LAYERS
    assert all(f".experts.{block.expert}." in block.w_out.name for block in blocks)


def test_dense_layers_among_layers_of_experts(tmp_path: Path) -> None:
    model = edited(
        moe(TYPE),
        drop(r"layers\.0\.mlp"),
        *(add_tensor(f"model.layers.0.{name}", shape) for name, shape in gated("mlp").items()),
        say(intermediate_size=D_MLP),
    )
    found = measured(model, tmp_path)
    expected = {(0, "mlp", None): vectors(model, "model.layers.0")}
    expected |= {(1, "expert", e): vectors(model, "model.layers.1", f"mlp.experts.{e}") for e in range(EXPERTS)}
    assert_numbers(found, expected)


def _wrapped(*, tower: str, depth: int, text_type: str | None) -> RawModel:
    """A text backbone within a multimodal model, sizes under text_config, and a tower of the same names in other sizes."""
    inner = dict(llama(text_type).config)
    edits: list[Edit] = [
        rename(r"^model\.layers", "model.language_model.layers"),
        unsay("hidden_size", "intermediate_size", "num_hidden_layers", "rms_norm_eps"),
        say(text_config=inner, vision_config={"hidden_size": 8, "num_hidden_layers": depth}),
    ]
    for layer in range(depth):
        for name, shape in {**gated("mlp", 10, 8), "norm1.weight": (8,), "norm2.weight": (8,)}.items():
            edits.append(add_tensor(f"model.{tower}.{layer}.{name}", shape))
    return edited(llama("tomorrow_vlm"), *edits)


@pytest.mark.parametrize("text_type", [TYPE, None, "llama"])
@pytest.mark.parametrize(
    ("tower", "depth"),
    [("vision_tower.layers", 2), ("visual.blocks", 5), ("audio_tower.layers", 2), ("sound_encoder.layers", 5)],
)
def test_the_text_backbone_of_a_multimodal_model(tmp_path: Path, tower: str, depth: int, text_type: str | None) -> None:
    model = _wrapped(tower=tower, depth=depth, text_type=text_type)
    found = architecture_of(model, tmp_path / "m")
    assert found.resolved_by == ("rules" if text_type == "llama" else "names")
    assert found.model_type == (text_type or "tomorrow_vlm")
    assert len(found.left_out) == 1
    assert found.left_out[0].startswith(f"model.{tower}")
    stack = "model.language_model.layers"
    expected = {(layer, "mlp", None): vectors(model, f"{stack}.{layer}") for layer in range(LAYERS)}
    assert_numbers(measured(model, tmp_path / "m"), expected)


@pytest.mark.parametrize(
    "stack", ["language_model.model.layers", "module.model.layers", "_orig_mod.model.layers", "blocks"]
)
@pytest.mark.parametrize("model_type", [TYPE, "llama"])
def test_the_prefix_does_not_matter(tmp_path: Path, stack: str, model_type: str) -> None:
    model = edited(llama(model_type), rename(r"^model\.layers", stack))
    expected = {(layer, "mlp", None): vectors(model, f"{stack}.{layer}") for layer in range(LAYERS)}
    assert_numbers(measured(model, tmp_path), expected)


def test_an_mlp_outside_of_all_layers_is_recorded_as_left_out(tmp_path: Path) -> None:
    shared = [add_tensor(f"model.{name}", shape) for name, shape in gated("shared_block.mlp").items()]
    found = architecture_of(edited(llama(TYPE), *shared), tmp_path)
    assert len(found.blocks) == LAYERS
    assert found.left_out == ("model.shared_block.mlp",)


ALL_THE_SAME: dict[str, tuple[RawModel, str]] = {
    "sizes_that_the_config_does_not_say": (edited(llama(), unsay("hidden_size", "intermediate_size")), "mlp"),
    "biases_of_the_mlp": (
        edited(llama(), *(add_tensor(f"model.layers.{n}.mlp.up_proj.bias", (24,)) for n in (0, 1))),
        "mlp",
    ),
    "a_type_that_is_no_word": (edited(llama(), say(model_type=3)), "mlp"),
    "experts_in_a_dense_type": (edited(moe("qwen3"), unsay("num_experts", "moe_intermediate_size")), "mlp.experts.1"),
    "a_shared_expert_among_the_experts": (
        edited(moe(TYPE, shared="shared"), rename(r"mlp\.shared", "mlp.experts.shared")),
        "mlp.experts.shared",
    ),
    "down_transposed_where_d_mlp_is_d_model": (
        edited(llama(), reshape(r"mlp\.\w+_proj", lambda _: (16, 16)), say(intermediate_size=16)),
        "mlp",
    ),
}
"""Odd but right, or as the last one beyond what any header can tell: a square is read as its name says."""


@pytest.mark.parametrize("case", ALL_THE_SAME)
def test_what_is_odd_is_still_read_right(tmp_path: Path, case: str) -> None:
    model, path = ALL_THE_SAME[case]
    tables = measured(model, tmp_path)
    expert = 1 if path.endswith("1") else None
    (key,) = (key for key in tables if key[0] == 1 and key[2] == expert and ("shared" in path) == ("shared" in key[1]))
    assert_numbers({key: tables[key]}, {key: vectors(model, "model.layers.1", path)})


def _experts(model: RawModel, layer: int, name: str, path: str = "mlp.experts") -> np.ndarray:
    """(experts, outputs, inputs) of one of gate, up and down."""
    return np.stack([model[f"model.layers.{layer}.{path}.{expert}.{name}_proj.weight"] for expert in range(EXPERTS)])


def _fused(
    model: RawModel, arrange: Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
) -> RawModel:
    """The same experts in two tensors a layer."""
    arrays = {}
    for layer in range(LAYERS):
        gate_up, down = arrange(*(_experts(model, layer, name) for name in ("gate", "up", "down")))
        arrays[f"model.layers.{layer}.mlp.experts.gate_up_proj"] = gate_up
        arrays[f"model.layers.{layer}.mlp.experts.down_proj"] = down
    return edited(model, drop(r"experts\.\d"), fill(arrays))


def _outputs_first(gate: np.ndarray, up: np.ndarray, down: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate([gate, up], axis=1), down


def _inputs_first(gate: np.ndarray, up: np.ndarray, down: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate([gate, up], axis=1).transpose(0, 2, 1), down.transpose(0, 2, 1)


_MIXTRAL_NAMES = (
    rename(r"mlp\.experts\.(\d)\.gate_proj", r"block_sparse_moe.experts.\1.w1"),
    rename(r"mlp\.experts\.(\d)\.down_proj", r"block_sparse_moe.experts.\1.w2"),
    rename(r"mlp\.experts\.(\d)\.up_proj", r"block_sparse_moe.experts.\1.w3"),
    rename(r"mlp\.gate\.", "block_sparse_moe.gate."),
)


def _keeping_values(model: RawModel, *edits: Edit) -> RawModel:
    """Renamed tensors with the values of their old names, which are in the order of the new ones."""
    renamed = edited(model, *edits)
    return edited(renamed, fill({new: model[old] for old, new in zip(model.shapes, renamed.shapes, strict=True)}))


@pytest.mark.parametrize("arrange", [_outputs_first, _inputs_first])
@pytest.mark.parametrize(
    ("model_type", "plus"),
    [("qwen3_moe", 0.0), ("mixtral", 0.0), ("qwen3_5_moe", 1.0), ("qwen3_5_moe_text", 1.0), ("qwen3_vl_moe", 0.0)],
)
def test_one_type_in_two_layouts(tmp_path: Path, model_type: str, plus: float, arrange: Any) -> None:
    separate = moe(model_type)
    one_by_one = _keeping_values(separate, *_MIXTRAL_NAMES) if model_type == "mixtral" else separate
    expected = {
        (layer, "expert", expert): vectors(separate, f"model.layers.{layer}", f"mlp.experts.{expert}", plus=plus)
        for layer in range(LAYERS)
        for expert in range(EXPERTS)
    }
    found = measured(one_by_one, tmp_path / "a")
    assert_numbers(found, expected)
    assert_same(found, measured(_fused(separate, arrange), tmp_path / "b"))


def test_a_layer_of_each_layout(tmp_path: Path) -> None:
    model = moe()
    fused = _fused(model, _outputs_first)
    mixed = {
        name: model[name] if ".layers.0." in name else fused[name]
        for name in [*model.shapes, *fused.shapes]
        if name in (model.shapes if ".layers.0." in name else fused.shapes)
    }
    assert_same(measured(edited(fused, drop("layers"), fill(mixed)), tmp_path / "a"), measured(model, tmp_path / "b"))
