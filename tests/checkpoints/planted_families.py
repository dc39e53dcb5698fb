"""What surrounds the planted MLPs: the config and the other tensors of the families that can be planted."""

from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Family:
    """How a family with RMSNorm differs from Llama."""

    architecture: str
    pre_norm: str = "post_attention_layernorm"
    """The norm before the MLP."""
    other_norms: tuple[str, ...] = ("input_layernorm",)
    gain_offset: float = 0.0
    """1 where the norm multiplies by 1 + w."""
    attention_bias: bool = False
    activation_key: str = "hidden_act"
    activation: str = "silu"


FAMILIES = {
    "llama": Family("LlamaForCausalLM"),
    "mistral": Family("MistralForCausalLM"),
    "qwen2": Family("Qwen2ForCausalLM", attention_bias=True),
    "gemma2": Family(
        "Gemma2ForCausalLM",
        pre_norm="pre_feedforward_layernorm",
        other_norms=("input_layernorm", "post_attention_layernorm", "post_feedforward_layernorm"),
        gain_offset=1.0,
        activation_key="hidden_activation",
        activation="gelu_pytorch_tanh",
    ),
}


def config_of(
    model_type: str, layers: int, d_model: int, d_mlp: int, vocab_size: int, dtype: torch.dtype
) -> dict[str, Any]:
    """A config.json that transformers loads; heads are 64 wide where that divides d_model (true of Qwen2.5-0.5B)."""
    family = FAMILIES[model_type]
    heads = d_model // 64 if d_model % 64 == 0 else 2
    return {
        "architectures": [family.architecture],
        "model_type": model_type,
        "hidden_size": d_model,
        "intermediate_size": d_mlp,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": 2 if heads % 2 == 0 else 1,
        "head_dim": d_model // heads,
        family.activation_key: family.activation,
        "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0,
        "max_position_embeddings": 512,
        "vocab_size": vocab_size,
        "tie_word_embeddings": True,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "pad_token_id": 0,
        "torch_dtype": str(dtype).removeprefix("torch."),
    }


class Surroundings:
    """All tensors but the MLPs and the norms before them: small and random, norm gains in 0.3 to 2.5."""

    def __init__(self, config: dict[str, Any], dtype: torch.dtype, generator: torch.Generator) -> None:
        self._family = FAMILIES[config["model_type"]]
        self._config = config
        self._dtype = dtype
        self._generator = generator

    def before_layers(self) -> dict[str, torch.Tensor]:
        return {"model.embed_tokens.weight": self._matrix(self._config["vocab_size"], self._config["hidden_size"])}

    def of_layer(self, layer: int) -> dict[str, torch.Tensor]:
        d_model = self._config["hidden_size"]
        key_value = self._config["num_key_value_heads"] * self._config["head_dim"]
        prefix = f"model.layers.{layer}."
        tensors = {}
        for name, width in (("q", d_model), ("k", key_value), ("v", key_value)):
            tensors[f"{prefix}self_attn.{name}_proj.weight"] = self._matrix(width, d_model)
            if self._family.attention_bias:
                tensors[f"{prefix}self_attn.{name}_proj.bias"] = self._matrix(width)
        tensors[f"{prefix}self_attn.o_proj.weight"] = self._matrix(d_model, d_model)
        return tensors | {f"{prefix}{norm}.weight": self._gain() for norm in self._family.other_norms}

    def after_layers(self) -> dict[str, torch.Tensor]:
        return {"model.norm.weight": self._gain()}

    def _matrix(self, *shape: int) -> torch.Tensor:
        return (torch.randn(shape, generator=self._generator) * 0.02).to(self._dtype)

    def _gain(self) -> torch.Tensor:
        return draw_gain(self._config["hidden_size"], self._family, self._dtype, self._generator)


def draw_gain(d_model: int, family: Family, dtype: torch.dtype, generator: torch.Generator) -> torch.Tensor:
    """[d_model] norm weight as stored; the gain it stands for lies in 0.3 to 2.5."""
    return (0.3 + 2.2 * torch.rand(d_model, generator=generator) - family.gain_offset).to(dtype)
