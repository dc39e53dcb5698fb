"""Other layouts that one model type can have, classes that other checkpoints are saved from, and what cannot run."""

from typing import Any

from transformers import SiglipVisionConfig

from tests.conformance.tiny_multimodal_overrides import SMALL_TOWER
from tests.conformance.tiny_sizes import D_EXPERT

_GEMMA_MOE = {"enable_moe_block": True, "num_experts": 4, "top_k_experts": 2, "moe_intermediate_size": D_EXPERT}

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "chameleon_swin_norm": ("chameleon", {"swin_norm": True}),
    "doge_moe": ("doge", {"is_moe": True, "num_experts": 16}),
    "ernie4_5_bias": ("ernie4_5", {"use_bias": True}),
    "gemma4_moe": ("gemma4", {"text_config": _GEMMA_MOE}),
    "gemma4_text_double_wide": ("gemma4_text", {"use_double_wide_mlp": True, "num_kv_shared_layers": 1}),
    "gemma4_text_moe": ("gemma4_text", _GEMMA_MOE),
    "granitemoehybrid_dense": ("granitemoehybrid", {"num_local_experts": 0}),
    "granitemoeshared_routed_only": ("granitemoeshared", {"shared_intermediate_size": 0}),
    "hyperclovax_no_post_norm": ("hyperclovax", {"use_post_norm": False}),
    "llama_mlp_bias": ("llama", {"mlp_bias": True}),
    "modernbert_bias": ("modernbert", {"mlp_bias": True, "norm_bias": True}),
    "molmo2_text_norm_after": ("molmo2_text", {"norm_after": True}),
    "moshi_conditional": ("moshi", {}),
    "stablelm_parallel": ("stablelm", {"use_parallel_residual": True}),
    "step3p7_clamped": (
        "step3p7",
        {"text_config": {"swiglu_limits": [0.0, 0.5, 0.0], "swiglu_limits_shared": [0.0, 0.0, 0.5]}},
    ),
    "t5_encoder": ("t5", {}),
    "t5_gated_silu": ("t5", {"feed_forward_proj": "gated-silu"}),
    "zamba2_bias": ("zamba2", {"add_bias_linear": True}),
}
"""Case name to model type and config keys laid over those of the model type."""

CLASSES: dict[str, str] = {
    "moshi_conditional": "MoshiForConditionalGeneration",
    "t5_encoder": "T5EncoderModel",
}
"""Case name to the class it is saved from, where it is not the model type's usual one."""

_GEMMA3N_TOWER: dict[str, Any] = SMALL_TOWER | {"vocab_size": 128, "vocab_offset": 100, "rms_norm_eps": 1e-6}
WHILE_BUILT: dict[str, dict[str, Any]] = {
    "gemma3n": {"vision_config": SiglipVisionConfig(**_GEMMA3N_TOWER)},
    "gemma4_assistant": {"text_config.num_kv_shared_layers": 1},
}
"""Model type to attributes that the config has only while the model is built, for its class refuses to be made with them."""

UNBUILDABLE: dict[str, str] = {}
"""Model type to why transformers cannot build it."""

_PARTS_ONLY = "the whole has no forward pass; its thinker is a model type of its own, which has"
NO_FORWARD: dict[str, str] = {"qwen2_5_omni": _PARTS_ONLY, "qwen3_omni_moe": _PARTS_ONLY}
"""Case name to why a forward pass on text alone cannot run."""
