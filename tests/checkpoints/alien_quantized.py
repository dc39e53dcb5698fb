"""Weights whose numbers mean something that nothing says, or by a rule that has lost a part."""

from typing import Any

from tests.checkpoints.alien_case import Alien, alien
from tests.checkpoints.raw_models import Edit, add_tensor, fused_moe, llama, say, store_as

_UP = "model.layers.1.mlp.up_proj"
_METHODS = (
    "hqq",
    "quanto",
    "exl2",
    "exl3",
    "aqlm",
    "quip",
    "spqr",
    "vptq",
    "torchao",
    "eetq",
    "higgs",
    "fp_quant",
    "auto-round",
)


def _method(name: str, *edits: Edit, says: str, **settings: Any) -> Alien:
    return alien(llama(), *edits, say(quantization_config={"quant_method": name, **settings}), says=says)


def _companion(dtype: str, shape: tuple[int, ...], suffix: str) -> Edit:
    return add_tensor(f"{_UP}.{suffix}", shape, dtype)


QUANTIZED: dict[str, Alien] = {
    **{
        f"stored_as_{dtype}": alien(llama(), store_as(r"1\.mlp\.up", dtype), says=rf"up_proj\.weight.*{dtype}")
        for dtype in ("I8", "U8", "F8_E4M3", "F8_E8M0", "I32", "BOOL")
    },
    "experts_stored_as_U8": alien(
        fused_moe(), store_as(r"1\.mlp\.experts\.gate_up", "U8"), says=r"experts\.gate_up_proj.*U8"
    ),
    "norm_stored_as_I8": alien(llama(), store_as(r"1\.post_att", "I8"), says=r"post_attention_layernorm\.weight.*I8"),
    **{f"method_{name}": _method(name, says=rf"quant_method '{name}'") for name in _METHODS},
    "bitnet_of_weights_quantized_on_the_fly": _method(
        "bitnet", linear_class="autobitlinear", quantization_mode="online", says="'bitnet'.*online"
    ),
    "method_without_a_name": alien(
        llama(), say(quantization_config={"bits": 4}), says="quantization_config without quant_method"
    ),
    "companion_without_a_config": alien(
        llama(), _companion("F32", (1, 1), "weight_scale_inv"), says=r"up_proj\.weight_scale_inv"
    ),
    "packed_without_a_config": alien(llama(), _companion("I32", (2, 24), "qweight"), says=r"up_proj\.qweight"),
    "gptq_without_scales": _method(
        "gptq",
        _companion("I32", (2, 24), "qweight"),
        bits=4,
        group_size=8,
        desc_act=False,
        sym=True,
        says=r"up_proj\.(scales|qweight|qzeros)",
    ),
    "awq_without_zeros": _method(
        "awq",
        _companion("I32", (16, 3), "qweight"),
        _companion("F16", (2, 24), "scales"),
        bits=4,
        group_size=8,
        version="gemm",
        zero_point=True,
        says=r"up_proj\.(qzeros|qweight)",
    ),
    "fp8_without_scale": _method(
        "fp8", store_as(r"1\.mlp\.up", "F8_E4M3"), weight_block_size=[8, 8], says=r"up_proj\.weight"
    ),
    "fp8_scale_of_another_grid": _method(
        "fp8",
        store_as(r"1\.mlp\.up", "F8_E4M3"),
        _companion("F32", (5, 5), "weight_scale_inv"),
        weight_block_size=[8, 8],
        says=r"up_proj\.weight_scale_inv.*\(5, 5\)",
    ),
    "bitsandbytes_without_absmax": _method(
        "bitsandbytes",
        store_as(r"1\.mlp\.up", "U8"),
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        says=r"up_proj\.weight",
    ),
    "mxfp4_without_scales": _method(
        "mxfp4",
        add_tensor("model.layers.1.mlp.experts.gate_up_proj_blocks", (3, 24, 1, 8), "U8"),
        says=r"gate_up_proj_(scales|blocks)",
    ),
    "compressed_without_scale": _method(
        "compressed-tensors",
        _companion("I32", (24, 2), "weight_packed"),
        format="pack-quantized",
        config_groups={
            "group_0": {
                "targets": ["Linear"],
                "weights": {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 8, "symmetric": True},
            }
        },
        says=r"up_proj\.(weight_scale|weight_packed|weight_shape|weight)",
    ),
}
