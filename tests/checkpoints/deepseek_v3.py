"""DeepSeek-V3 as released, without its weights: its config, every tensor's name, dtype and shape, in shards that are holes.

Written after config.json and model.safetensors.index.json of deepseek-ai/DeepSeek-V3. The shards have their full size,
688 GB together, and take no more disk than their headers.
"""

import json
from collections.abc import Iterator
from math import ceil, prod
from pathlib import Path
from typing import Any

LAYERS, DENSE_LAYERS, EXPERTS = 61, 3, 256
D_MODEL, D_MLP, D_EXPERT = 7168, 18432, 2048
SHARDS = 163
_BLOCK = 128
_BYTES = {"BF16": 2, "F32": 4, "F8_E4M3": 1}

CONFIG: dict[str, Any] = {
    "architectures": ["DeepseekV3ForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "auto_map": {
        "AutoConfig": "configuration_deepseek.DeepseekV3Config",
        "AutoModel": "modeling_deepseek.DeepseekV3Model",
        "AutoModelForCausalLM": "modeling_deepseek.DeepseekV3ForCausalLM",
    },
    "bos_token_id": 0,
    "eos_token_id": 1,
    "ep_size": 1,
    "first_k_dense_replace": DENSE_LAYERS,
    "hidden_act": "silu",
    "hidden_size": D_MODEL,
    "initializer_range": 0.02,
    "intermediate_size": D_MLP,
    "kv_lora_rank": 512,
    "max_position_embeddings": 163840,
    "model_type": "deepseek_v3",
    "moe_intermediate_size": D_EXPERT,
    "moe_layer_freq": 1,
    "n_group": 8,
    "n_routed_experts": EXPERTS,
    "n_shared_experts": 1,
    "norm_topk_prob": True,
    "num_attention_heads": 128,
    "num_experts_per_tok": 8,
    "num_hidden_layers": LAYERS,
    "num_key_value_heads": 128,
    "num_nextn_predict_layers": 1,
    "q_lora_rank": 1536,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "quantization_config": {
        "activation_scheme": "dynamic",
        "fmt": "e4m3",
        "quant_method": "fp8",
        "weight_block_size": [_BLOCK, _BLOCK],
    },
    "rms_norm_eps": 1e-06,
    "rope_scaling": {
        "beta_fast": 32,
        "beta_slow": 1,
        "factor": 40,
        "mscale": 1.0,
        "mscale_all_dim": 1.0,
        "original_max_position_embeddings": 4096,
        "type": "yarn",
    },
    "rope_theta": 10000,
    "routed_scaling_factor": 2.5,
    "scoring_func": "sigmoid",
    "tie_word_embeddings": False,
    "topk_group": 4,
    "topk_method": "noaux_tc",
    "torch_dtype": "bfloat16",
    "transformers_version": "4.33.1",
    "use_cache": True,
    "v_head_dim": 128,
    "vocab_size": 129280,
}

Tensor = tuple[str, str, tuple[int, ...]]
"""Name, dtype and shape."""


def hollow_deepseek_v3(folder: Path) -> Path:
    """Write config, index and 163 shards without bodies; returns the folder."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIG, indent=2))
    shards = _shards()
    weight_map = {name: file for file, tensors in shards.items() for name, _, _ in tensors}
    total = sum(_bytes(tensor) for tensors in shards.values() for tensor in tensors)
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2))
    for file, tensors in shards.items():
        _write_hollow(folder / file, tensors)
    return folder


def tensors() -> Iterator[Tensor]:
    """Every tensor, in the order of the layers."""
    yield "model.embed_tokens.weight", "BF16", (CONFIG["vocab_size"], D_MODEL)
    for layer in range(LAYERS + CONFIG["num_nextn_predict_layers"]):
        yield from _layer(layer)
    yield "model.norm.weight", "BF16", (D_MODEL,)
    yield "lm_head.weight", "BF16", (CONFIG["vocab_size"], D_MODEL)


def _layer(layer: int) -> Iterator[Tensor]:
    prefix = f"model.layers.{layer}"
    if layer >= LAYERS:  # predicts one token further
        yield f"{prefix}.embed_tokens.weight", "BF16", (CONFIG["vocab_size"], D_MODEL)
        yield f"{prefix}.enorm.weight", "BF16", (D_MODEL,)
        yield f"{prefix}.hnorm.weight", "BF16", (D_MODEL,)
        yield f"{prefix}.eh_proj.weight", "BF16", (D_MODEL, 2 * D_MODEL)
    yield from _attention(f"{prefix}.self_attn")
    if layer < DENSE_LAYERS:
        yield from _mlp(f"{prefix}.mlp", D_MLP)
    else:
        yield f"{prefix}.mlp.gate.weight", "BF16", (EXPERTS, D_MODEL)
        yield f"{prefix}.mlp.gate.e_score_correction_bias", "F32", (EXPERTS,)
        for expert in range(EXPERTS):
            yield from _mlp(f"{prefix}.mlp.experts.{expert}", D_EXPERT)
        yield from _mlp(f"{prefix}.mlp.shared_experts", D_EXPERT)
    yield f"{prefix}.input_layernorm.weight", "BF16", (D_MODEL,)
    yield f"{prefix}.post_attention_layernorm.weight", "BF16", (D_MODEL,)
    if layer >= LAYERS:
        yield f"{prefix}.shared_head.norm.weight", "BF16", (D_MODEL,)
        yield f"{prefix}.shared_head.head.weight", "BF16", (CONFIG["vocab_size"], D_MODEL)


def _attention(prefix: str) -> Iterator[Tensor]:
    heads, rope, nope = (CONFIG[key] for key in ("num_attention_heads", "qk_rope_head_dim", "qk_nope_head_dim"))
    q_rank, kv_rank, value = (CONFIG[key] for key in ("q_lora_rank", "kv_lora_rank", "v_head_dim"))
    yield from _quantized(f"{prefix}.q_a_proj", q_rank, D_MODEL)
    yield f"{prefix}.q_a_layernorm.weight", "BF16", (q_rank,)
    yield from _quantized(f"{prefix}.q_b_proj", heads * (nope + rope), q_rank)
    yield from _quantized(f"{prefix}.kv_a_proj_with_mqa", kv_rank + rope, D_MODEL)
    yield f"{prefix}.kv_a_layernorm.weight", "BF16", (kv_rank,)
    yield from _quantized(f"{prefix}.kv_b_proj", heads * (nope + value), kv_rank)
    yield from _quantized(f"{prefix}.o_proj", D_MODEL, heads * value)


def _mlp(prefix: str, neurons: int) -> Iterator[Tensor]:
    yield from _quantized(f"{prefix}.gate_proj", neurons, D_MODEL)
    yield from _quantized(f"{prefix}.up_proj", neurons, D_MODEL)
    yield from _quantized(f"{prefix}.down_proj", D_MODEL, neurons)


def _quantized(prefix: str, rows: int, columns: int) -> Iterator[Tensor]:
    yield f"{prefix}.weight", "F8_E4M3", (rows, columns)
    yield f"{prefix}.weight_scale_inv", "F32", (ceil(rows / _BLOCK), ceil(columns / _BLOCK))


def _bytes(tensor: Tensor) -> int:
    _, dtype, shape = tensor
    return _BYTES[dtype] * prod(shape)


def _shards() -> dict[str, list[Tensor]]:
    """The tensors cut in order into shards of about the same size."""
    share = sum(map(_bytes, tensors())) / SHARDS
    shards: dict[str, list[Tensor]] = {f"model-{n:05d}-of-{SHARDS:06d}.safetensors": [] for n in range(1, SHARDS + 1)}
    files = list(shards)
    done = 0
    for tensor in tensors():
        shards[files[min(int(done / share), SHARDS - 1)]].append(tensor)
        done += _bytes(tensor)
    return shards


def _write_hollow(path: Path, tensors: list[Tensor]) -> None:
    """A safetensors file with a header and a hole."""
    header: dict[str, Any] = {}
    end = 0
    for tensor in sorted(tensors, key=lambda each: (-_BYTES[each[1]], each[0])):  # as safetensors does
        name, dtype, shape = tensor
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": (end, end := end + _bytes(tensor))}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)
