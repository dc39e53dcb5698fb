"""Norms renamed, lost, of another length or of another kind, or that do not tell where they stand."""

from tests.checkpoints.alien_case import Alien, alien
from tests.checkpoints.raw_models import (
    D_MODEL,
    add_tensor,
    drop,
    llama,
    rename,
    reshape,
    say,
    unsay,
)

_UNKNOWN = llama("tomorrow_lm")

NORMS: dict[str, Alien] = {
    "norm_renamed": alien(
        llama(), rename("post_attention_layernorm", "ln_2"), says=r"layers\.0 lacks post_attention_layernorm\.weight"
    ),
    "norm_missing_in_one_layer": alien(
        llama(), drop(r"layers\.1\.post_att"), says=r"layers\.1 lacks post_attention_layernorm\.weight"
    ),
    "norm_too_long": alien(
        llama(),
        reshape(r"layers\.1\.post_att", lambda _: (D_MODEL + 1,)),
        says=r"layers\.1\.post_attention_layernorm\.weight has shape \(17,\)",
    ),
    "norm_of_no_dimension": alien(
        llama(), reshape(r"layers\.1\.post_att", lambda _: ()), says=r"layers\.1\.post_attention_layernorm\.weight"
    ),
    "norm_with_a_bias": alien(
        llama(),
        add_tensor("model.layers.1.post_attention_layernorm.bias", (D_MODEL,)),
        says=r"post_attention_layernorm\.bias.*LayerNorm",
    ),
    "norm_unknown_in_an_unknown_type": alien(
        _UNKNOWN,
        *(add_tensor(f"model.layers.{layer}.pre_mlp_norm.weight", (D_MODEL,)) for layer in (0, 1)),
        says=r"tomorrow_lm.*pre_mlp_norm",
    ),
    "norms_differ_between_layers_of_an_unknown_type": alien(
        _UNKNOWN, add_tensor("model.layers.1.post_feedforward_layernorm.weight", (D_MODEL,)), says=r"layers\.1\b.*norm"
    ),
    "norm_missing_in_the_first_layer_of_an_unknown_type": alien(
        _UNKNOWN, drop(r"layers\.0\.post_att"), says=r"layers\.[01]\b.*norm"
    ),
    "norm_biased_in_one_layer_of_an_unknown_type": alien(
        _UNKNOWN,
        add_tensor("model.layers.0.post_attention_layernorm.bias", (D_MODEL,)),
        says=r"layers\.[01]\b.*post_attention_layernorm",
    ),
    "norms_of_an_unknown_type_without_kind": alien(_UNKNOWN, unsay("rms_norm_eps"), says="tomorrow_lm.*rms_norm_eps"),
    "norm_eps_is_of_either_kind": alien(
        _UNKNOWN, unsay("rms_norm_eps"), say(norm_eps=1e-5), says="tomorrow_lm.*(RMSNorm|norm_eps)"
    ),
    "norms_all_gone_in_an_unknown_type": alien(_UNKNOWN, drop("layernorm"), says="tomorrow_lm.*norm"),
    "norm_of_both_kinds_by_the_config": alien(_UNKNOWN, say(layer_norm_eps=1e-5), says="tomorrow_lm.*RMSNorm"),
    "four_norms_in_an_unknown_type": alien(
        _UNKNOWN,
        *(
            add_tensor(f"model.layers.{layer}.{name}_feedforward_layernorm.weight", (D_MODEL,))
            for layer in (0, 1)
            for name in ("pre", "post")
        ),
        says=r"tomorrow_lm.*pre_feedforward_layernorm",
    ),
    "fork_of_gemma_by_its_name": alien(llama("cost_wise_gemma"), says="cost_wise_gemma"),
    "fork_of_gemma_by_its_config": alien(_UNKNOWN, say(query_pre_attn_scalar=256), says="query_pre_attn_scalar=256"),
    "factor_of_an_unknown_type": alien(_UNKNOWN, say(residual_multiplier=0.22), says=r"residual_multiplier=0\.22"),
    "parallel_by_the_config_of_an_unknown_type": alien(
        _UNKNOWN, say(use_parallel_residual=True), says="use_parallel_residual=True"
    ),
    "norm_after_the_block_with_a_bias": alien(
        llama("glm4"),
        *(add_tensor(f"model.layers.{layer}.post_mlp_layernorm.weight", (D_MODEL,)) for layer in (0, 1)),
        add_tensor("model.layers.1.post_mlp_layernorm.bias", (D_MODEL,)),
        says=r"post_mlp_layernorm\.bias",
    ),
    "scale_in_a_layer_of_a_known_type": alien(
        llama(), add_tensor("model.layers.1.ls2.gamma", (D_MODEL,)), says=r"layers\.1\b.*ls2\.gamma"
    ),
    "norm_at_the_end_of_a_layer_of_a_known_type": alien(
        llama(), add_tensor("model.layers.1.final_layernorm.weight", (D_MODEL,)), says=r"final_layernorm\.weight"
    ),
}
