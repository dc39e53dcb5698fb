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
}
