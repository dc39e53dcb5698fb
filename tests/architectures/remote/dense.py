"""Families of decoders without experts: names, shapes and keys as on the Hub, formulas as their sources have them."""

import math
from collections.abc import Mapping
from dataclasses import replace

from torch.nn.functional import gelu

from tests.architectures.remote.models import (
    LLAMA,
    MIXTRAL,
    NO_NORM,
    POST_ATTENTION,
    SQUARE,
    D,
    F,
    Family,
    Mlp,
    Norm,
    also,
    config,
    conv1d,
    halves,
    llama,
    nested,
    separate,
)

_LAYER_NORM = Norm("post_attention_layernorm.weight", "layer with bias")
_LN_2 = Norm("ln_2.weight")
_FFN_NORM = Norm("ffn_norm.weight")
_FF_NORM = Norm("ff_norm.weight")
_GPT2_ATTENTION = {"attn.c_attn.weight": (3 * D, D), "attn.c_attn.bias": (3 * D,), "attn.c_proj.weight": SQUARE}
_CONV1D_ATTENTION = {**_GPT2_ATTENTION, "attn.c_attn.weight": (D, 3 * D)}
_OLMO_ATTENTION = {"att_proj.weight": (3 * D, D), "attn_out.weight": SQUARE}
_TWO_UP_FIRST = (Mlp("", halves("ff_proj", "ff_out", activated=1)),)

_QWEN = Family(
    config("qwen", intermediate_size=2 * F, hidden_act=None, no_bias=True),
    "transformer.h",
    (Mlp("mlp.", separate("w2", "w1", "c_proj")),),
    _LN_2,
    {**_GPT2_ATTENTION, "/transformer.visual.transformer.resblocks.0.mlp.c_fc.weight": (F, D)},
)
_INTERNLM2 = Family(
    config("internlm2", bias=False),
    "model.layers",
    (Mlp("feed_forward.", MIXTRAL),),
    _FFN_NORM,
    {"attention.wqkv.weight": (3 * D, D), "attention.wo.weight": SQUARE, "attention_norm.weight": (D,)},
)
_MINICPM = replace(llama("minicpm", scale_depth=1.4), multiplier=1.4 / math.sqrt(2))
_OLMO_KEYS = {
    "n_layers": 2,
    "d_model": D,
    "mlp_hidden_size": 2 * F,
    "activation_type": "swiglu",
    "block_type": "sequential",
}
_MOLMO_KEYS = {"num_hidden_layers": 2, "hidden_size": D, "intermediate_size": 2 * F}
_STRIPED_HYENA = Family(
    {"model_type": "stripedhyena", "num_layers": 2, "hidden_size": D, "inner_mlp_size": F},
    "backbone.blocks",
    (Mlp("mlp.", separate("l1", "l2", "l3", act=gelu)),),
    Norm("post_norm.scale"),
    {"pre_norm.scale": (D,), "projections.weight": (3 * D, D), "out_filter_dense.weight": SQUARE},
)
_SPEECH = {f"/tts.model.layers.{n}.mlp.{p}_proj.weight": SQUARE for n in (0, 1) for p in ("gate", "up", "down")}


def _olmo(model_type: str, norm: Norm, post: str | None = None, **keys: object) -> Family:
    keys = {"model_type": model_type, **(_MOLMO_KEYS if model_type == "molmo" else _OLMO_KEYS), **keys}
    return Family(keys, "model.transformer.blocks", _TWO_UP_FIRST, norm, _OLMO_ATTENTION, post)


DENSE: Mapping[str, Family] = {
    **{name: llama(name) for name in ("aquila", "baichuan", "deci", "Dream", "phi3_v")},
    "phi3_v_fused": llama("phi3_v", Mlp("mlp.", halves("gate_up_proj", "down_proj", activated=0))),
    "chatglm": Family(
        {"model_type": "chatglm", "num_layers": 2, "hidden_size": D, "ffn_hidden_size": F, "rmsnorm": True},
        "transformer.encoder.layers",
        (Mlp("mlp.", halves("dense_h_to_4h", "dense_4h_to_h", activated=0)),),
        POST_ATTENTION,
        {"self_attention.query_key_value.weight": (3 * D, D), "self_attention.dense.weight": SQUARE},
    ),
    "internlm2": _INTERNLM2,
    "internvl_chat": nested(
        replace(_INTERNLM2, stack="language_model.model.layers"), "llm_config", model_type="internvl_chat"
    ),
    "qwen": _QWEN,
    "qwen_old_keys": replace(
        _QWEN,
        config={"model_type": "qwen", "n_layer": 2, "n_embd": D, "ffn_hidden_size": 2 * F, "activation": "swiglu"},
    ),
    "exaone": Family(
        config("exaone", num_hidden_layers=None, num_layers=2, hidden_act=None, activation_function="silu"),
        "transformer.h",
        (Mlp("mlp.", separate("c_fc_0", "c_fc_1", "c_proj")),),
        _LN_2,
        {f"attn.attention.{name}_proj.weight": SQUARE for name in ("q", "k", "v", "out")},
    ),
    "minicpm": _MINICPM,
    "minicpmv": also(
        replace(_MINICPM, config={**_MINICPM.config, "model_type": "minicpmv"}, stack="llm.model.layers"),
        **{"/vpm.encoder.layers.0.mlp.fc1.weight": SQUARE},
    ),
    "minicpmv_of_llama": llama("minicpmv", stack="llm.model.layers"),
    "minicpmo": also(llama("minicpmo", stack="llm.model.layers"), **_SPEECH),
    "evabyte": llama("evabyte", norm=replace(POST_ATTENTION, offset=1.0), norm_add_unit_offset=True),
    "evabyte_plain": llama("evabyte", norm_add_unit_offset=False),
    "hf_olmo": _olmo("hf_olmo", Norm("", "layer"), layer_norm_type="default", layer_norm_with_affine=False),
    "hf_olmo_affine": _olmo(
        "hf_olmo", Norm("ff_norm.weight", "layer with bias"), layer_norm_type="default", layer_norm_with_affine=True
    ),
    "hf_olmo_rms": _olmo("hf_olmo", _FF_NORM, layer_norm_type="rms"),
    "hf_olmo_norm_after": _olmo("hf_olmo", NO_NORM, "ff_norm.weight", layer_norm_type="rms", norm_after=True),
    "olmo_before_transformers": _olmo(
        "olmo", Norm("", "layer"), layer_norm_type="default", layer_norm_with_affine=False
    ),
    "molmo": _olmo("molmo", _FF_NORM, norm_after=False),
    "molmo_norm_after": _olmo("molmo", NO_NORM, "ff_norm.weight", norm_after=True),
    "llada": Family(
        {**_OLMO_KEYS, "model_type": "llada", "mlp_hidden_size": F, "activation_type": "silu", "block_type": "llama"}
        | {"layer_norm_type": "rms"},
        "model.transformer.blocks",
        (Mlp("", separate("ff_proj", "up_proj", "ff_out")),),
        _FF_NORM,
        dict.fromkeys(("q_proj.weight", "k_proj.weight", "v_proj.weight", "attn_out.weight"), SQUARE),
    ),
    "openelm": Family(
        {"model_type": "openelm", "num_transformer_layers": 2, "model_dim": D, "ffn_with_glu": True}
        | {"ffn_multipliers": [1.0, 2.0], "activation_fn_name": "swish"},
        "transformer.layers",
        (Mlp("ffn.", halves("proj_1", "proj_2", activated=0), width=(12, 28)),),
        _FFN_NORM,
        {"attn.qkv_proj.weight": (3 * D, D), "attn.out_proj.weight": SQUARE, "attn_norm.weight": (D,)},
    ),
    "nemotron-nas": llama(
        "nemotron-nas",
        Mlp("mlp.", LLAMA, width=(12, 0, 28), layers=(0, 2)),
        num_hidden_layers=3,
        intermediate_size=None,
    ),
    "telechat": Family(
        {"model_type": "telechat", "n_layer": 2, "hidden_size": D, "ffn_hidden_size": F, "hidden_act": "fastgelu"},
        "transformer.h",
        (Mlp("mlp.", separate("gate_proj", "up_proj", "down_proj", out_bias=True)),),
        POST_ATTENTION,
        {"self_attention.query.weight": SQUARE, "self_attention.key_value.weight": (2 * D, D)},
    ),
    "jais": Family(
        {"model_type": "jais", "n_layer": 2, "n_embd": D, "n_inner": F, "activation_function": "swiglu"},
        "transformer.h",
        (Mlp("mlp.", conv1d("c_fc2", "c_fc", "c_proj")),),
        Norm("ln_2.weight", "layer with bias"),
        _CONV1D_ATTENTION,
    ),
    "cogvlm": also(
        llama("cogvlm", Mlp("mlp.language_mlp.", LLAMA), Mlp("mlp.vision_mlp.", LLAMA, "vision_mlp")),
        **{"self_attn.vision_expert_query_key_value.weight": (3 * D, D)},
        **{"/model.vision.transformer.layers.0.mlp.fc1.weight": (F, D)},
        **{"/model.vision.linear_proj.gate_proj.weight": (F, D)},
    ),
    "cogvlm_without_model_type": llama(
        "",
        Mlp("mlp.language_mlp.", LLAMA),
        Mlp("mlp.vision_mlp.", LLAMA, "vision_mlp"),
        architectures=["CogVLMForCausalLM"],
    ),
    "orion": llama("orion", norm=_LAYER_NORM),
    "stablelm_epoch": llama("stablelm_epoch", norm=_LAYER_NORM),
    "phi4flash": llama("phi4flash", Mlp("mlp.", halves("fc1", "fc2", activated=0)), norm=_LAYER_NORM),
    "plamo": replace(llama("plamo", norm=Norm("norm.weight"), hidden_act=None), stack="model.layers.layers"),
    "ouro": replace(
        also(llama("ouro", total_ut_steps=4), **{"input_layernorm_2.weight": (D,)}),
        post="post_attention_layernorm_2.weight",
    ),
    "yuan": llama("yuan", Mlp("mlp.", separate("up_proj", "gate_proj", "down_proj"))),
    "hunyuan_v1_dense_fused": llama(
        "hunyuan_v1_dense", Mlp("mlp.", halves("gate_and_up_proj", "down_proj", activated=1))
    ),
    "stripedhyena": _STRIPED_HYENA,
    "stripedhyena_silu": replace(
        _STRIPED_HYENA,
        config={**_STRIPED_HYENA.config, "mlp_activation": "silu"},
        mlps=(Mlp("mlp.", separate("l1", "l2", "l3")),),
    ),
}
