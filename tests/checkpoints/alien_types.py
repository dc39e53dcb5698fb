"""Sound models of other kinds: without gated MLPs of the residual stream, or with ones in a layout that only a rule can tell."""

from tests.checkpoints.alien_case import Alien, alien
from tests.checkpoints.raw_models import (
    D_MLP,
    D_MODEL,
    PRE_NORMS,
    RawModel,
    add_tensor,
    drop,
    edited,
    fused_moe,
    gated,
    gpt_oss,
    llama,
    model_of,
    norms,
    phi3,
    rename,
    say,
    unsay,
)

_DOWN = (D_MODEL, D_MLP)
_UP = (D_MLP, D_MODEL)

_VIT = model_of(
    "vit",
    {"intermediate.dense.weight": _UP, "output.dense.weight": _DOWN, **norms("layernorm_before", "layernorm_after")},
    stack="vit.encoder.layer",
    intermediate_size=D_MLP,
)
_CLIP = model_of(
    "clip",
    {"mlp.fc1.weight": _UP, "mlp.fc2.weight": _DOWN, **norms("layer_norm1", "layer_norm2")},
    stack="text_model.encoder.layers",
    text_config={"model_type": "clip_text_model", "hidden_size": D_MODEL},
)
_MAMBA = RawModel(
    {"model_type": "mamba", "hidden_size": D_MODEL, "num_hidden_layers": 2},
    {
        f"backbone.layers.{layer}.{name}": shape
        for layer in (0, 1)
        for name, shape in {
            "norm.weight": (D_MODEL,),
            "mixer.in_proj.weight": (64, D_MODEL),
            "mixer.out_proj.weight": (D_MODEL, 32),
            "mixer.A_log": (32, 4),
        }.items()
    },
)
_UNET = RawModel(
    {"_class_name": "UNet2DConditionModel", "_diffusers_version": "0.30.0"},
    {
        f"down_blocks.0.attentions.0.transformer_blocks.{block}.{name}": shape
        for block in (0, 1)
        for name, shape in {
            "ff.net.0.proj.weight": (2 * D_MLP, D_MODEL),
            "ff.net.2.weight": _DOWN,
            "norm3.weight": (D_MODEL,),
        }.items()
    },
)
_DINO = model_of(
    "dinov2",
    {"mlp.weights_in.weight": (2 * D_MLP, D_MODEL), "mlp.weights_out.weight": _DOWN, **norms("norm1", "norm2")},
    stack="encoder.layer",
)
_NEMOTRON = model_of(
    "nemotron_of_tomorrow",
    {**PRE_NORMS, "mlp.up_proj.weight": _UP, "mlp.down_proj.weight": _DOWN},
    intermediate_size=D_MLP,
    hidden_act="relu2",
)
_MEGATRON = model_of(
    "llama",
    {"mlp.linear_fc1.weight": (2 * D_MLP, D_MODEL), "mlp.linear_fc2.weight": _DOWN},
    stack="decoder.layers",
)
_META = edited(
    llama(),
    rename(r"mlp\.gate_proj", "feed_forward.w1"),
    rename(r"mlp\.down_proj", "feed_forward.w2"),
    rename(r"mlp\.up_proj", "feed_forward.w3"),
    rename("post_attention_layernorm", "ffn_norm"),
    rename("input_layernorm", "attention_norm"),
    rename("^model.", ""),
)
_GEMMA2_NORMS = norms(
    "input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm"
)
_OLMO2_NORMS = norms("post_attention_layernorm", "post_feedforward_layernorm")


def _says_llama(layer_norms: dict[str, tuple[int, ...]], says: str) -> Alien:
    """Tensors of another type, whose norms stand elsewhere, under a config that says llama."""
    return alien(model_of("llama", {**layer_norms, **gated("mlp")}, intermediate_size=D_MLP), says=says)


TYPES: dict[str, Alien] = {
    **{
        f"refused_{model_type}": alien(llama(model_type), says=rf"'{model_type}' is not supported: its .*")
        for model_type in ("zamba", "zamba2", "axk2", "muse_spark", "qwen4_exp", "qwen4_exp_text")
    },
    "refused_within_a_wrapper": alien(
        llama("llava"), say(text_config={**llama("zamba2").config}), says="'zamba2' is not supported"
    ),
    "vit": alien(_VIT, says=r"'vit'.*intermediate\.dense\.weight"),
    "clip": alien(_CLIP, says=r"'clip_text_model'.*mlp\.fc1\.weight"),
    "dinov2": alien(_DINO, says=r"'dinov2'.*mlp\.weights_in\.weight"),
    "mamba": alien(_MAMBA, says=r"'mamba'.*no MLP"),
    "unet": alien(_UNET, says=r"UNet2DConditionModel|ff\.net\.N\.proj\.weight"),
    "unknown_plain": alien(_NEMOTRON, says=r"'nemotron_of_tomorrow'.*mlp\.up_proj\.weight"),
    "unknown_fused": alien(phi3("tomorrow_lm"), says=r"'tomorrow_lm'.*mlp\.gate_up_proj\.weight \(48, 16\)"),
    "unknown_fused_experts": alien(
        fused_moe("tomorrow_lm"), says=r"'tomorrow_lm'.*mlp\.experts\.gate_up_proj \(3, 24, 16\)"
    ),
    "unknown_interleaved": alien(
        gpt_oss(), say(model_type="tomorrow_lm"), says=r"'tomorrow_lm'.*mlp\.experts\.gate_up_proj \(3, 16, 24\)"
    ),
    "unknown_w1_w2_w3": alien(
        _META, say(model_type="tomorrow_lm"), says=r"'tomorrow_lm'.*feed_forward\.w1\.weight \(24, 16\)"
    ),
    "unknown_gpt2": alien(
        model_of("tomorrow_lm", {"mlp.c_fc.weight": _DOWN, "mlp.c_proj.weight": _UP}),
        says=r"mlp\.c_fc\.weight \(16, 24\)",
    ),
    "megatron": alien(_MEGATRON, says=r"'llama'.*mlp\.linear_fc1\.weight"),
    "meta_llama": alien(_META, says=r"layers\.0 lacks post_attention_layernorm\.weight"),
    "flattened_parameters": alien(
        llama(), drop("layers"), add_tensor("_fsdp_wrapped_module._flat_param", (4096,)), says="llama"
    ),
    "gemma2_says_llama": _says_llama(_GEMMA2_NORMS, r"(pre|post)_feedforward_layernorm"),
    "olmo2_says_llama": _says_llama(_OLMO2_NORMS, r"input_layernorm|post_feedforward_layernorm"),
    "cohere_says_llama": _says_llama(norms("input_layernorm"), "lacks post_attention_layernorm"),
    "glm4_says_glm": alien(
        model_of("glm", {**PRE_NORMS, **norms("post_self_attn_layernorm", "post_mlp_layernorm"), **gated("mlp")}),
        says="post_mlp_layernorm|post_self_attn_layernorm",
    ),
    "gemma2_says_vaultgemma": alien(
        model_of("vaultgemma", {**_GEMMA2_NORMS, **gated("mlp")}), says="post_feedforward_layernorm"
    ),
    "stablelm_norm_is_a_layernorm": alien(
        llama(),
        *(add_tensor(f"model.layers.{n}.post_attention_layernorm.bias", (16,)) for n in (0, 1)),
        says="LayerNorm",
    ),
    "tower_of_plain_names_before_an_alien_backbone": alien(
        llama("tomorrow_vlm", hidden_size=32, num_hidden_layers=2),
        rename(r"^model\.layers", "tower.layers"),
        add_tensor("decoder.blocks.0.ffn.a.weight", (64, 32)),
        add_tensor("decoder.blocks.0.ffn.b.weight", (32, 64)),
        says=r"hidden_size=32.*tower\.layers|decoder\.blocks",
    ),
    "tower_alone": alien(
        llama("tomorrow_vlm"), rename(r"^model\.layers", "vision_tower.layers"), says=r"vision_tower\.layers\.N\.mlp"
    ),
    "lora_merged_into_names": alien(
        llama(),
        rename(r"^", "base_model.model."),
        rename(r"(gate|up|down)_proj\.weight", r"\1_proj.base_layer.weight"),
        says=r"mlp\.gate_proj\.base_layer\.weight",
    ),
    "encoder_and_decoder_of_an_unknown_type": alien(
        llama("tomorrow_s2s"),
        rename(r"^model\.layers", "encoder.layers"),
        *(
            add_tensor(name.replace("model.", "decoder."), shape)
            for name, shape in llama().shapes.items()
            if "layers" in name
        ),
        says=r"decoder\.layers, encoder\.layers",
    ),
    "without_any_size": alien(
        llama("tomorrow_lm"),
        unsay("hidden_size", "intermediate_size", "num_hidden_layers", "rms_norm_eps", "hidden_act"),
        says="config.json",
    ),
    "embeddings_alone": alien(llama("tomorrow_lm"), drop("layers"), says="tomorrow_lm.*no MLP"),
    "norm_none_and_another_width": alien(
        model_of("olmo2", {**_OLMO2_NORMS, **gated("mlp", d_model=8)}),
        unsay("hidden_size"),
        says=r"post_feedforward_layernorm\.weight has shape \(16,\)",
    ),
}
