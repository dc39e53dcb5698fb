"""What the shrunk default config of a model with vision, audio or speech parts needs changed, by model type."""

from typing import Any

from tests.conformance.tiny_sizes import D_EXPERT, D_MODEL, D_SHARED
from tests.conformance.tiny_text_overrides import COMPASS, DENSE_FIRST, INDEXED, WIDE_GLOBAL_HEADS, WINDOWED_LATENT

SMALL_TOWER: dict[str, Any] = {
    "model_type": "siglip_vision_model",
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 14,
    "vision_use_head": False,
}
"""Stands for a vision tower of the timm library, which the tests do not need installed."""
_VQ = {"embed_dim": 16, "latent_channels": 16, "base_channels": 32, "channel_multiplier": [1, 1]}
_CODEC = {
    "num_filters": 4,
    "hidden_size": 16,
    "upsample_groups": 16,
    "vector_quantization_hidden_dimension": 16,
    "codebook_dim": 16,
    "num_quantizers": 2,
    "num_semantic_quantizers": 1,
}
_TOKEN2WAV = {
    "bigvgan_config": {"upsample_initial_channel": 64},
    "dit_config": {"num_embeds": 128, "emb_dim": 16, "enc_channels": [16, 16, 16, 16, 48]},
}
_SAM = {"output_channels": 16, "image_size": 64}
_TOKENIZER_ENCODER = {"num_filters": 4, "downsampling_ratios": [2], "depths": [1, 1]}


def _mrope(*sections: int, **more: float) -> dict[str, Any]:
    """Rotary parameters whose multimodal sections sum to half the rotary width."""
    return {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": list(sections)} | more}


MULTIMODAL_OVERRIDES: dict[str, dict[str, Any]] = {
    "chameleon": {"vocabulary_map": {"<image>": 100, "IMGIMGAA": 101}, "vq_config": _VQ | {"resolution": 32}},
    "cohere2_vision": {"alignment_intermediate_size": 32},
    "cohere_compass": {"text_config": COMPASS},
    "deepseek_ocr2": {
        "text_config": DENSE_FIRST | {"num_experts_per_tok": 2},
        "vision_config": {"sam_config": _SAM | {"downsample_channels": [16, 16]}},
    },
    "deepseek_vl_hybrid": {"high_res_vision_config": _SAM},
    "diffusion_gemma": {
        "canvas_length": 8,
        "text_config": WIDE_GLOBAL_HEADS | {"num_experts": 4, "top_k_experts": 2, "moe_intermediate_size": D_EXPERT},
    },
    "dots3_note": {
        "text_config": WINDOWED_LATENT,
        "vision_config": {"adapter_in_dim": 16, "adapter_out_dim": D_MODEL},
        "audio_config": {"adapter_input_size": 16, "adapter_out_dim": D_MODEL},
    },
    "emu3": {"vocabulary_map": {"<image>": 100}, "vq_config": _VQ},
    "ernie4_5_vl_moe": {"text_config": {"moe_intermediate_size": [D_EXPERT, D_SHARED]} | _mrope(1, 1, 2)},
    "fast_vlm": {"vision_config": SMALL_TOWER},
    "fun_asr_nano": {"adaptor_config": {"hidden_size": D_MODEL, "intermediate_size": D_MODEL // 4}},
    "gemma3n": {"text_config": {"activation_sparsity_pattern": [0.5, 0.0, 0.0]}},
    "gemma4": {"text_config": WIDE_GLOBAL_HEADS},
    "gemma4_unified": {"text_config": WIDE_GLOBAL_HEADS},
    "glm46v": {"text_config": _mrope(2, 1, 1)},
    "glm4v": {"text_config": _mrope(2, 1, 1)},
    "glm4v_moe": {"text_config": _mrope(1, 1, 0, partial_rotary_factor=0.5)},
    "glm5_next": {
        "text_config": {"num_key_value_heads": 4, "qk_rope_head_dim": 0},
        "vision_config": {"projection_intermediate_size": 16},
    },
    "glm_ocr": {"text_config": _mrope(2, 1, 1)},
    "glmga": {"text_config": _mrope(2, 1, 1)},
    "got_ocr2": {"vision_config": _SAM},
    "granite4_vision": {
        "downsample_rate": "1/2",
        "deepstack_layer_map": [[0, 0]],
        "vision_config": {"hidden_size": 64},
    },
    "hunyuan_vl": {"text_config": _mrope(2, 2, 2, 2)},
    "inkling_mm_model": {"text_config": DENSE_FIRST},
    "janus": {"vision_config": {"image_size": 32}, "vq_config": _VQ},
    "kyutai_speech_to_text": {
        "num_codebooks": 2,
        "codebook_vocab_size": 129,
        "audio_pad_token_id": 300,
        "codec_config": _CODEC,
    },
    "lfm2_vl": {"text_config": {"block_auto_adjust_ff_dim": False}},
    "llama4": {
        "text_config": {"interleave_moe_layer_step": 2, "intermediate_size": D_EXPERT},
        "vision_config": {
            "vision_output_dim": 16,
            "projector_input_dim": 16,
            "projector_output_dim": 16,
            "image_size": 28,
        },
    },
    "minimax_m3_vl": {"projector_hidden_size": 16, "merged_hidden_size": 64},
    "mllama": {
        "text_config": {"cross_attention_layers": [1]},
        "vision_config": {"image_size": 28, "vision_output_dim": 32, "intermediate_layers_indices": [0]},
    },
    "molmo2": {"adapter_config": {"vision_feature_layer": [0], "text_hidden_size": D_MODEL}},
    "moshi": {"audio_encoder_config": _CODEC, "num_codebooks": 2, "depth_decoder_config": {"num_codebooks": 2}},
    "muse_glimmer": {"out_hidden_size": D_MODEL, "projector_hidden_size": 16},
    "muse_spark": {
        "audio_config": {
            "num_hidden_layers": 2,
            "patch_sizes": [4, 2],
            "hidden_sizes": [8, 16],
            "depths": [1, 1],
            "out_hidden_size": D_MODEL,
        },
        "out_hidden_size": D_MODEL,
        "projector_hidden_size": 16,
        "text_config": DENSE_FIRST | {"moe_hidden_size": 20},
    },
    "ovis2": {"visual_indicator_token_ids": [100, 101, 102, 103, 104]},
    "paddleocr_vl": {"text_config": _mrope(3, 3, 2)},
    "perception_lm": {"vision_config": SMALL_TOWER | {"model_args": {"embed_dim": 16}}},
    "pi0": {
        "dit_config": {"head_dim": 16},
        "vlm_config": {"projection_dim": D_MODEL, "vision_config": {"image_size": 28}},
    },
    "pix2struct": {
        "text_config": {"d_kv": 8},
        "vision_config": {"hidden_size": D_MODEL, "d_ff": 16, "d_kv": 16, "seq_len": 64},
    },
    "pp_chart2table": {"vision_config": _SAM},
    "qwen2_5_omni": {
        "talker_config": {"embedding_size": 16},
        "token2wav_config": _TOKEN2WAV,
        "thinker_config": {"text_config": _mrope(2, 1, 1)},
    },
    "qwen2_5_omni_thinker": {"text_config": _mrope(2, 1, 1)},
    "qwen2_5_vl": {"text_config": _mrope(2, 1, 1)},
    "qwen2_vl": {"text_config": _mrope(2, 1, 1)},
    "qwen3_omni_moe": {
        "code2wav_config": {"decoder_dim": 64},
        "talker_config": {"spatial_merge_size": 2, "text_config": {"shared_expert_intermediate_size": 16}},
    },
    "qwen4_exp": {"text_config": INDEXED},
    "step3p7": {"text_config": {"sliding_window": 32}},
    "unlimited_ocr": {
        "text_config": {"num_key_value_heads": 4},
        "vision_config": {"sam_config": _SAM | {"downsample_channels": [16, 16]}},
    },
    "vibevoice_asr": {
        "acoustic_tokenizer_encoder_config": _TOKENIZER_ENCODER,
        "semantic_tokenizer_encoder_config": _TOKENIZER_ENCODER,
    },
}
