"""What the shrunk default config of a text model needs changed, by model type."""

from typing import Any

from tests.conformance.tiny_sizes import D_EXPERT, D_MLP, D_MODEL, D_SHARED, LAYERS

DENSE_FIRST = {"mlp_layer_types": ["dense", "sparse", "sparse"]}
WIDE_GLOBAL_HEADS = {"global_head_dim": 24}
WINDOWED_LATENT = {
    "swa_num_attention_heads": 2,
    "swa_num_key_value_heads": 2,
    "swa_q_lora_rank": 12,
    "swa_kv_lora_rank": 16,
    "swa_head_dim": 16,
    "swa_qk_nope_head_dim": 8,
    "swa_v_head_dim": 8,
}
INDEXED = {
    "indexer_n_heads": 2,
    "indexer_kv_heads": 1,
    "indexer_head_dim": 16,
    "indexer_budget": 16,
    "indexer_compress_ratio": 4,
    "hc_lowrank": 8,
}
COMPASS = {
    "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
    "rope_parameters": {
        "full_attention": None,
        "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [3, 3, 2]},
    },
}
_ROUTED = {"n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2}
_MAMBA2 = {"mamba_n_heads": 4, "mamba_d_head": 16, "mamba_d_state": 8, "mamba_chunk_size": 8}
_GATED = {"feed_forward_proj": "gated-gelu"}
_BYTES = {
    "hidden_size": D_MODEL,
    "intermediate_size": D_MLP,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_hidden_layers": 2,
    "vocab_size": 260,
    "hidden_size_global": D_MODEL,
}

TEXT_OVERRIDES: dict[str, dict[str, Any]] = {
    "bamba": _MAMBA2 | {"attn_layer_indices": [1]},
    "blt": {
        "encoder_hash_byte_group_vocab": 64,
        "vocab_size": 260,
        "use_cache": False,
        "encoder_config": _BYTES,
        "decoder_config": _BYTES,
        "patcher_config": {"vocab_size": 260},
    },
    "cohere2_moe": DENSE_FIRST | {"prefix_dense_intermediate_size": D_MLP},
    "cohere_compass_text": COMPASS,
    "dbrx": {"ffn_config": {"ffn_hidden_size": D_EXPERT}, "attn_config": {"rope_theta": 10000.0, "clip_qkv": 8.0}},
    "deepseek_v2": {"num_experts_per_tok": 2},
    "deepseek_v4": {"compress_rates": {"compressed_sparse_attention": 2, "heavily_compressed_attention": 4}},
    "dots1": _ROUTED,
    "dots3_note_text": WINDOWED_LATENT,
    "ernie4_5_moe": {"moe_layer_end_index": LAYERS - 1},
    "esmc": {"num_key_value_heads": 4, "head_dim": 8},
    "gemma3n_text": {"activation_sparsity_pattern": [0.5, 0.0, 0.0]},
    "gemma4_assistant": {
        "text_config": WIDE_GLOBAL_HEADS
        | {"hidden_size_per_layer_input": 0, "vocab_size_per_layer_input": 0, "num_kv_shared_layers": LAYERS}
    },
    "gemma4_text": WIDE_GLOBAL_HEADS,
    "gemma4_unified_assistant": {"text_config": WIDE_GLOBAL_HEADS | {"num_kv_shared_layers": 1}},
    "gemma4_unified_text": WIDE_GLOBAL_HEADS,
    "granitemoe_swa": {"shared_intermediate_size": D_SHARED},
    "granitemoehybrid": _MAMBA2 | {"layer_types": ["linear_attention", "full_attention", "linear_attention"]},
    "granitemoeshared": {"shared_intermediate_size": D_SHARED},
    "helium": {"head_dim": 8},
    "inkling_text": DENSE_FIRST,
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1, "mamba_d_state": 8, "mamba_dt_rank": 4},
    "lfm2": {"block_auto_adjust_ff_dim": False},
    "lfm2_moe": {"layer_types": ["conv", "full_attention", "conv"]},
    "llama4_text": {"interleave_moe_layer_step": 2, "intermediate_size": D_EXPERT},
    "longcat_flash": {"ffn_hidden_size": D_MLP, "zero_expert_num": 2},
    "longt5": _GATED,
    "mellum": DENSE_FIRST,
    "qwen4_exp_text": INDEXED,
    "recurrent_gemma": {"intermediate_size": 2 * D_MLP},
    "t5": _GATED,
    "udop": _GATED,
    "xlstm": {"num_heads": 4, "qk_dim_factor": 2.0, "v_dim_factor": 2.0},
    "zaya": {"num_experts_per_tok": 1},
}
