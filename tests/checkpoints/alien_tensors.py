"""Dense models with tensors renamed, lost, left over or turned round."""

from tests.checkpoints.alien_case import Alien, alien
from tests.checkpoints.raw_models import (
    D_MLP,
    D_MODEL,
    PRE_NORMS,
    add_tensor,
    drop,
    gated,
    llama,
    model_of,
    norms,
    phi3,
    rename,
    reshape,
    transposed,
    unsay,
)

_MLP = r"layers\.0\.mlp\."
_UNKNOWN = llama("tomorrow_lm")
_OLMO2 = model_of(
    "olmo2",
    {**norms("post_attention_layernorm", "post_feedforward_layernorm"), **gated("mlp")},
    intermediate_size=D_MLP,
)
_NO_SIZES = unsay("hidden_size", "intermediate_size")


def _extra(name: str, *shape: int, layer: int = 1) -> Alien:
    """One more tensor in a layer of a sound Llama; the refusal names it."""
    says = rf"layers\.{layer}\b.*{name.replace('.', '[.]')}"
    return alien(llama(), add_tensor(f"model.layers.{layer}.{name}", shape), says=says)


def _extra_unknown(name: str, *shape: int) -> Alien:
    """The same where nobody listed the model type."""
    return alien(
        _UNKNOWN, add_tensor(f"model.layers.1.{name}", shape), says=rf"layers\.\d\b.*{name.replace('.', '[.]')}"
    )


TENSORS: dict[str, Alien] = {
    "gate_renamed_everywhere": alien(llama(), rename("gate_proj", "dendrite"), says=r"mlp\.dendrite\.weight"),
    "gate_renamed_in_one_layer": alien(
        llama(), rename(_MLP + "gate_proj", "layers.0.mlp.dendrite"), says=r"layers\.0\b.*mlp\.(dendrite|gate_proj)"
    ),
    "gate_renamed_in_an_unknown_type": alien(_UNKNOWN, rename("gate_proj", "g"), says=r"tomorrow_lm.*mlp\.g\.weight"),
    "gate_and_up_renamed": alien(llama(), rename(r"mlp\.(gate|up)_proj", r"mlp.\1"), says=r"mlp\.gate\.weight"),
    "gate_without_up": alien(llama(), drop(_MLP + "up_proj"), says=r"layers\.0\b.*mlp\.up_proj\.weight"),
    "up_without_gate": alien(llama(), drop(_MLP + "gate_proj"), says=r"layers\.0\b.*mlp\.gate_proj\.weight"),
    "no_down_in_any_layer": alien(llama(), drop(r"down_proj"), says=r"down_proj\.weight"),
    "down_transposed": alien(
        llama(), reshape(_MLP + "down", transposed), says=r"0\.mlp\.down_proj\.weight.*\(24, 16\)"
    ),
    "gate_transposed": alien(
        llama(), reshape(_MLP + "gate", transposed), says=r"0\.mlp\.gate_proj\.weight.*\(16, 24\)"
    ),
    "all_three_transposed": alien(
        llama(), reshape("_proj.weight", transposed), says=r"hidden_size=16.*has 24|\(16,\).*24"
    ),
    "all_three_transposed_without_sizes": alien(
        llama(),
        _NO_SIZES,
        reshape(r"mlp\..*_proj", transposed),
        says=r"(post_attention_layernorm\.weight has shape \(16,\)).*24",
    ),
    "all_three_transposed_without_sizes_or_norm_before": alien(
        _OLMO2, _NO_SIZES, reshape(r"mlp\..*_proj", transposed), says=r"(post_feedforward_layernorm\.weight).*24"
    ),
    "all_three_transposed_and_nothing_to_tell": alien(
        model_of("nomic_bert", {}, stack="encoder.layers"),
        _NO_SIZES,
        *(
            add_tensor(f"encoder.layers.{layer}.mlp.{name}.weight", shape)
            for layer in (0, 1)
            for name, shape in {"fc11": (D_MODEL, D_MLP), "fc12": (D_MODEL, D_MLP), "fc2": (D_MLP, D_MODEL)}.items()
        ),
        says="hidden_size|embed_tokens|width",
    ),
    "fused_of_odd_size": alien(
        phi3(), reshape(r"0\.mlp\.gate_up", lambda _: (47, 16)), says=r"gate_up_proj\.weight.*\(47, 16\)"
    ),
    "fused_pair_halved": alien(
        phi3(), reshape("gate_up", lambda _: (24, 16)), says=r"gate_up_proj\.weight.*\(24, 16\)"
    ),
    "fused_pair_transposed": alien(phi3(), reshape("gate_up", transposed), says=r"gate_up_proj\.weight.*\(16, 48\)"),
    "fused_pair_beside_its_halves": alien(
        phi3(),
        *(add_tensor(f"model.layers.0.mlp.{name}_proj.weight", (24, 16)) for name in ("gate", "up")),
        says=r"layers\.0\b.*two ways",
    ),
    "gate_of_one_dimension": alien(
        llama(), reshape(_MLP + "gate", lambda _: (384,)), says=r"gate_proj\.weight.*\(384,\)"
    ),
    "three_dimensions_for_two": alien(
        llama(),
        reshape(r"mlp\..*_proj", lambda shape: (3, *shape)),
        says=r"mlp\.\w+_proj\.weight.*\(3, (24, 16|16, 24)\)",
    ),
    "without_neurons": alien(
        llama(),
        unsay("intermediate_size"),
        reshape(r"mlp\.(gate|up)_proj", lambda _: (0, 16)),
        reshape(r"mlp\.down", lambda _: (16, 0)),
        says=r"\(0, 16\)",
    ),
    "second_gate": _extra("mlp.gate_proj_2.weight", 24, 16),
    "second_mlp": alien(
        llama(),
        *(add_tensor(f"model.layers.1.{name}", shape) for name, shape in gated("mlp_2").items()),
        says=r"layers\.1\b.*mlp_2\.(gate|up|down)_proj\.weight",
    ),
    "second_mlp_in_every_layer_of_an_unknown_type": alien(
        model_of("tomorrow_lm", {**PRE_NORMS, **gated("mlp"), **gated("residual_mlp")}),
        says=r"residual_mlp\.(gate|up|down)_proj\.weight",
    ),
    "plain_mlp_beside": _extra("feed_forward.fc1.weight", 24, 16),
    "half_an_mlp_beside": _extra("side_mlp.up_proj.weight", 24, 16),
    "matrix_of_an_mlp_beside": _extra("mystery.weight", 24, 16),
    "lora_in_the_mlp": _extra("mlp.gate_proj.lora_A.weight", 4, 16),
    "lora_magnitude": _extra("mlp.down_proj.lora_magnitude_vector", 16),
    "adapter_in_the_mlp": _extra("mlp.adapter.down_proj.weight", 4, 16),
    "adapter_beside_the_mlp": _extra("adapter.down_proj.weight", 4, 16),
    "scale_in_the_mlp": _extra("mlp.output_scale", 1),
    "scale_of_a_weight": _extra("mlp.up_proj.scale", 24, 1),
    "mask_in_the_mlp": _extra("mlp.gate_proj.weight_mask", 24, 16),
    "weight_norm": _extra("mlp.gate_proj.weight_g", 24, 1),
    "parametrization": _extra("mlp.gate_proj.parametrizations.weight.original0", 24, 1),
    "learned_activation": _extra("mlp.act_fn.alpha", 1),
    "norm_in_the_mlp": _extra("mlp.ffn_sub_norm.weight", 24),
    "bias_of_another_name": _extra("mlp.gate_proj.b", 24),
    "layer_scale_beside_the_mlp": _extra("mlp_layer_scale", 16),
    "layer_scale_in_an_unknown_type": _extra_unknown("ls2.gamma", 16),
    "hyper_connections_in_an_unknown_type": _extra_unknown("hc_ffn_fn", 24, 64),
    "mlp_of_a_name_of_another_kind": alien(
        llama(),
        *(add_tensor(f"model.layers.1.{name}", shape) for name, shape in gated("temporal_mlp").items()),
        says=r"layers\.1\b.*temporal_mlp\.(gate|up|down)_proj\.weight",
    ),
    "mlp_of_attention_in_an_unknown_type": alien(
        llama("tomorrow_lm"),
        *(add_tensor(f"model.layers.1.{name}", shape) for name, shape in gated("attn_mlp").items()),
        says=r"layers\.1\b.*attn_mlp\.(gate|up|down)_proj\.weight",
    ),
    "bias_too_short": alien(
        llama(),
        add_tensor("model.layers.1.mlp.up_proj.bias", (16,)),
        says=r"layers\.1\.mlp\.up_proj\.bias.*\(16,\).*24",
    ),
    "name_with_a_line_break": alien(
        llama(), add_tensor("model.layers.1.mlp.gate_proj.lora\nA", (4, 16)), says=r"layers\.1\b.*gate_proj\.lora"
    ),
    "name_with_an_escape": alien(
        llama(), add_tensor("model.layers.1.mlp.gate_proj.\x1b[2J", (4, 16)), says=r"layers\.1\b.*mlp\.gate_proj\."
    ),
    "name_of_another_alphabet": alien(llama(), rename("gate_proj", "ворота"), says=r"mlp\.ворота"),
}
