"""Tiny random models of every family that is read, built and saved by transformers itself."""

from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    PreTrainedModel,
)

D_MODEL = 16
"""Narrow, so that random cosines often pass the threshold."""
D_MLP = 64
LAYERS = 2
_VOCABULARY = 40

_LLAMA_SIZES = {
    "hidden_size": D_MODEL,
    "intermediate_size": D_MLP,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": D_MODEL // 2,
    "max_position_embeddings": 64,
}
_GPT_SIZES = {"n_embd": D_MODEL, "n_inner": D_MLP, "n_layer": LAYERS, "n_head": 2, "n_positions": 64}
_BERT_SIZES = {
    "hidden_size": D_MODEL,
    "intermediate_size": D_MLP,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
    "max_position_embeddings": 64,
}

_SIZES: dict[str, dict[str, Any]] = {
    "llama": _LLAMA_SIZES,
    "mistral": _LLAMA_SIZES,
    "qwen2": {key: value for key, value in _LLAMA_SIZES.items() if key != "head_dim"},
    "gemma2": _LLAMA_SIZES,
    "olmo": {key: value for key, value in _LLAMA_SIZES.items() if key != "head_dim"},
    "gpt2": _GPT_SIZES,
    "gptj": _GPT_SIZES | {"rotary_dim": 4},
    "bloom": {"hidden_size": D_MODEL, "n_layer": LAYERS, "n_head": 2},
    "gpt_neox": _BERT_SIZES,
    "opt": {
        "hidden_size": D_MODEL,
        "word_embed_proj_dim": D_MODEL,
        "ffn_dim": D_MLP,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 2,
        "max_position_embeddings": 64,
    },
    "bert": _BERT_SIZES,
    "t5": {"d_model": D_MODEL, "d_ff": D_MLP, "num_layers": LAYERS, "num_heads": 2, "d_kv": 8},
}

_AUTO = {"bert": AutoModelForMaskedLM, "t5": AutoModelForSeq2SeqLM}

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    **{model_type: (model_type, {}) for model_type in _SIZES},
    "gpt_neox_sequential": ("gpt_neox", {"use_parallel_residual": False}),
    "opt_post_norm": ("opt", {"do_layer_norm_before": False}),
    "t5_gated": ("t5", {"feed_forward_proj": "gated-gelu"}),
}
"""Every family and variant worth a test: case name to (model_type, config overrides)."""


def tiny_checkpoint(
    folder: Path,
    model_type: str,
    *,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
    max_shard_size: str = "1GB",
    **config_overrides: Any,
) -> PreTrainedModel:
    """Save a random model of 2 layers, d_model 16, d_mlp 64, its norms' gains and all biases well away from their defaults.

    Args:
        folder: created; gets config.json and the shards.
        model_type: a key of `CASES` that is a model_type.
        dtype: stored dtype.
        seed: equal seeds give equal weights.
        max_shard_size: as for ``save_pretrained``; ``"20KB"`` gives several shards and an index.
        config_overrides: config keys of that model_type.

    Returns:
        The saved model, in eval mode.
    """
    sizes = {"vocab_size": _VOCABULARY, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
    config = AutoConfig.for_model(model_type, **sizes | _SIZES[model_type] | config_overrides)
    model = auto_class(model_type).from_config(config).to(dtype).eval()
    _randomise(model, torch.Generator().manual_seed(seed))
    model.save_pretrained(folder, max_shard_size=max_shard_size)
    return model


def auto_class(model_type: str) -> Any:
    """The transformers Auto class that has this model's language-model head."""
    return _AUTO.get(model_type, AutoModelForCausalLM)


@torch.no_grad()
def _randomise(model: PreTrainedModel, generator: torch.Generator) -> None:
    """Norm gains of 0.3 to 2.5 (stored as 1 or as 1 + w alike: the default is what is moved), other values normal."""
    gains = {
        id(module.weight)
        for module in model.modules()
        if "Norm" in type(module).__name__ and getattr(module, "weight", None) is not None
    }
    for parameter in model.parameters():
        if id(parameter) in gains:
            parameter += torch.empty(parameter.shape).uniform_(-0.7, 1.5, generator=generator)
        else:
            scale = 0.3 if parameter.dim() == 1 else D_MODEL**-0.5
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)
