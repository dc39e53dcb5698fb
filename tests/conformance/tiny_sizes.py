"""The sizes of the tiny models: what each config key becomes, whatever the model type."""

from typing import Any

D_MODEL = 32
D_MLP = 48
D_EXPERT = 40
D_SHARED = 24
LAYERS = 3
VOCABULARY = 128
FIRST_SPECIAL_TOKEN = 96
"""Ids from here on are given to special tokens (image, audio ...): random text stays below."""
_WIDTH = 16


def _table(*rows: tuple[Any, str]) -> dict[str, Any]:
    return {key: value for value, keys in rows for key in keys.split()}


TEXT = _table(
    (D_MODEL, "hidden_size d_model embedding_dim hidden_size_global cross_attention_hidden_size backbone_hidden_size"),
    (D_MLP, "intermediate_size d_ff dense_intermediate_size dim_ff intermediate_size_mlp"),
    (2 * D_MLP, "ffn_dim"),
    (D_EXPERT, "moe_intermediate_size expert_ffn_hidden_size"),
    (D_SHARED, "shared_expert_intermediate_size shared_experts_intermediate_size shared_intermediate_size"),
    (D_SHARED, "share_expert_dim"),
    (LAYERS, "num_hidden_layers num_layers num_decoder_layers n_layers num_blocks"),
    (4, "num_attention_heads num_heads n_heads swa_num_attention_heads num_sliding_attention_heads"),
    (2, "num_key_value_heads swa_num_key_value_heads kv_n_heads"),
    (16, "head_dim swa_head_dim d_kv dim_head qk_head_dim kv_lora_rank index_topk"),
    (12, "q_lora_rank"),
    (8, "qk_nope_head_dim qk_rope_head_dim v_head_dim o_lora_rank index_head_dim index_n_heads"),
    (8, "linear_key_head_dim linear_value_head_dim linear_head_dim hidden_size_per_layer_input"),
    (2, "linear_num_key_heads linear_num_value_heads linear_num_heads o_groups sliding_window_pattern"),
    (4, "num_experts num_local_experts n_routed_experts moe_num_experts"),
    (2, "num_experts_per_tok num_experts_per_token moe_topk moe_top_k moe_k top_k_experts"),
    (1, "n_group topk_group num_expert_group n_shared_experts num_shared_experts moe_num_shared_experts"),
    (1, "first_k_dense_replace num_dense_layers moe_layer_start_index"),
    ([0], "mlp_only_layers"),
    (0, "num_mtp_layers num_nextn_predict_layers num_kv_shared_layers"),
    (VOCABULARY, "vocab_size vocab_size_per_layer_input max_position_embeddings max_seq_len model_max_length"),
    (32, "sliding_window sliding_window_size attention_window_size attention_chunk_size"),
    (1.7, "routed_scaling_factor route_scale router_scaling_factor moe_routed_scaling_factor"),
    (0.6, "residual_multiplier mlp_beta_factor"),
    (1.2, "mlp_alpha_factor"),
    ([0.7, 1.3], "mlp_multipliers"),
)
"""Keys of a text backbone. Widths differ from each other, and no factor on the residual stream's path is 1."""

TOWER = _table(
    (_WIDTH, "hidden_size d_model embed_dim hidden_dim intermediate_size mlp_dim encoder_ffn_dim ffn_dim"),
    (_WIDTH, "moe_intermediate_size downsample_hidden_size nemo_conv_channels ext_pw_out_channel num_mel_bins"),
    (_WIDTH, "depthwise_separable_out_channel mel_vocab_size"),
    (1, "num_hidden_layers depth encoder_layers num_layers n_layers num_blocks num_global_layers resampler_depth"),
    (1, "num_residual_layers num_res_blocks"),
    (2, "num_attention_heads num_heads num_key_value_heads encoder_attention_heads attention_heads resampler_n_heads"),
    (8, "head_dim dim_head resampler_head_dim"),
    (D_MODEL, "out_hidden_size text_hidden_size projection_dim output_dim"),
    (VOCABULARY, "vocab_size num_embeddings codebook_size"),
    (64, "max_position_embeddings max_source_positions"),
)
"""Keys of every other part (vision, audio, codec ...)."""
