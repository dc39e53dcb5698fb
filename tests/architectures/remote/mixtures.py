"""Families with experts, and encoders: names, shapes and keys as on the Hub, formulas as their sources have them."""

import math
from collections.abc import Mapping
from dataclasses import replace

from torch.nn.functional import gelu, relu

from tests.architectures.remote.models import (
    EXPERT,
    LLAMA,
    MIXTRAL,
    NO_NORM,
    SHARED,
    SQUARE,
    D,
    Family,
    Formula,
    Mlp,
    Norm,
    also,
    config,
    halves,
    llama,
    nested,
    one_of,
)


def _experts(path: str, formula: Formula, *, layers: tuple[int, ...] = (0, 1)) -> Mlp:
    return Mlp(path, formula, "expert", 3, EXPERT, layers)


def _deepseek(model_type: str, *, stack: str = "model.layers", **keys: object) -> Family:
    """A dense layer, then one of three experts and a shared one."""
    mlps = (
        Mlp("mlp.", LLAMA, layers=(0,)),
        _experts("mlp.experts.{e}.", LLAMA, layers=(1,)),
        Mlp("mlp.shared_experts.", LLAMA, "shared_expert", width=SHARED, layers=(1,)),
    )
    keys = {"moe_intermediate_size": EXPERT, "first_k_dense_replace": 1, **keys}
    return also(llama(model_type, *mlps, stack=stack, **keys), **{f"/{stack}.1.mlp.gate.weight": (3, D)})


def _hunyuan(model_type: str, formula: Formula) -> Family:
    shared = Mlp("mlp.shared_mlp.", formula, "shared_expert", width=SHARED)
    family = llama(
        model_type,
        _experts("mlp.experts.{e}.", formula),
        shared,
        num_experts=3,
        moe_intermediate_size=[EXPERT, EXPERT],
    )
    return also(family, **{"mlp.gate.wg.weight": (3, D)})


def _minimax(model_type: str, **keys: object) -> Family:
    mlp = _experts("block_sparse_moe.experts.{e}.", MIXTRAL)
    family = llama(model_type, mlp, intermediate_size=EXPERT, num_local_experts=3, layernorm_mlp_beta=1.5, **keys)
    return replace(also(family, **{"block_sparse_moe.gate.weight": (3, D)}), multiplier=1.5)


_UP_FIRST = halves("gate_and_up_proj", "down_proj", activated=1)

MIXTURES: Mapping[str, Family] = {
    "deepseek": _deepseek("deepseek", n_routed_experts=3, n_shared_experts=2),
    "deepseek_vl_v2": nested(
        _deepseek("deepseek_v2", stack="language.model.layers", n_routed_experts=3),
        "language_config",
        model_type="deepseek_vl_v2",
    ),
    "kimi_vl": nested(
        _deepseek("deepseek_v3", stack="language_model.model.layers", n_routed_experts=3),
        "text_config",
        model_type="kimi_vl",
    ),
    "kimi_k2": _deepseek("kimi_k2", n_routed_experts=3),
    "dots_vlm": _deepseek("dots_vlm", n_routed_experts=3),
    **{name: _deepseek(name, num_experts=3) for name in ("bailing_moe", "bailing_moe_v2", "llada2_moe")},
    "minicpm_experts": replace(
        also(
            llama(
                "minicpm",
                _experts("mlp.experts.{e}.", MIXTRAL),
                intermediate_size=EXPERT,
                num_experts=3,
                scale_depth=1.4,
            ),
            **{"mlp.gate.weight": (3, D)},
        ),
        multiplier=1.4 / math.sqrt(2),
    ),
    "arctic": also(
        llama(
            "arctic",
            Mlp("block_sparse_moe.mlp.", MIXTRAL, width=EXPERT, layers=(0,)),
            _experts("block_sparse_moe.experts.{e}.", MIXTRAL, layers=(1,)),
            Mlp("residual_mlp.", MIXTRAL, "residual_mlp", 0, D, (1,), Norm("residual_layernorm.weight")),
            num_local_experts=3,
            intermediate_size=EXPERT,
            moe_layer_frequency=2,
        ),
        **{"/model.layers.1.block_sparse_moe.gate.weight": (3, D)},
    ),
    "minimax_text_01": also(
        replace(_minimax("minimax_text_01", postnorm=True), norm=NO_NORM), **{"post_attention_layernorm.weight": (D,)}
    ),
    "minimax_m1": _minimax("minimax_m1", postnorm=False),
    "hunyuan": _hunyuan("hunyuan", LLAMA),
    "hunyuan_fused": _hunyuan("hunyuan", _UP_FIRST),
    "hunyuan_v1_moe_fused": _hunyuan("hunyuan_v1_moe", _UP_FIRST),
    "hunyuan_image_3_moe": _hunyuan("hunyuan_image_3_moe", _UP_FIRST),
    "step3": nested(
        also(
            llama(
                "step3_text",
                Mlp("mlp.", LLAMA, layers=(0,)),
                _experts("moe.", one_of(3), layers=(1,)),
                Mlp("share_expert.", LLAMA, "shared_expert", width=SHARED, layers=(1,)),
                moe_num_experts=3,
                moe_intermediate_size=EXPERT,
                moe_layers_enum="1",
                hidden_act=None,
            ),
            **{"/model.layers.1.moe.gate.weight": (3, D)},
        ),
        "text_config",
        model_type="step3_vl",
    ),
}


def _encoder(
    model_type: str, formula: Formula, stack: str, norm: str, hidden_act: str = "gelu", **keys: object
) -> Family:
    """BERT's attention, and a norm after the sum of block and stream."""
    attention = {f"attention.self.{name}.weight": SQUARE for name in ("query", "key", "value")}
    others = {**attention, f"{norm}.weight": (D,), f"{norm}.bias": (D,)}
    keys = config(model_type, hidden_act=hidden_act, **keys)
    return Family(keys, stack, (Mlp("mlp.", formula),), NO_NORM, others)


_GTE = halves("up_gate_proj", "down_proj", activated=1, act=gelu, out_bias=True)
_MOSAIC = halves("gated_layers", "wo", activated=0, act=gelu, out_bias=True)
_REGLU = halves("gated_layers", "wo", activated=0, act=relu, out_bias=True)
_JINA_CODE = halves("up_gated_layer", "down_layer", activated=1, act=gelu, out_bias=True)

ENCODERS: Mapping[str, Family] = {
    "new": _encoder("new", _GTE, "new.encoder.layer", "mlp_ln"),
    "new_without_prefix": _encoder("new", _GTE, "encoder.layer", "mlp_ln"),
    "gte_of_snowflake": _encoder("gte", _GTE, "encoder.layer", "mlp_ln"),
    "mosaic_bert": _encoder("bert", _MOSAIC, "bert.encoder.layer", "mlp.layernorm"),
    "jina_v2": _encoder("bert", _MOSAIC, "encoder.layer", "mlp.layernorm", feed_forward_type="geglu"),
    "jina_v2_reglu": _encoder("bert", _REGLU, "encoder.layer", "mlp.layernorm", feed_forward_type="reglu"),
    "jina_v2_code": _encoder("bert", _JINA_CODE, "encoder.layer", "layer_norm_2", feed_forward_type="geglu"),
}
