"""The 12 gated models of arXiv 2505.17936 at their true shapes: configs, and every tensor's name and shape.

Written after the config.json of each repository on the Hub. All weights are bfloat16 here; OLMo's and Gemma's are published
in float32, Llama 2's in float16.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

Tensor = tuple[str, tuple[int, ...]]
"""Name and shape."""

_ARCHITECTURES = {
    "gemma2": "Gemma2ForCausalLM",
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "olmo": "OlmoForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
}
_NORMS = {
    "gemma2": (
        "input_layernorm",
        "post_attention_layernorm",
        "post_feedforward_layernorm",
        "pre_feedforward_layernorm",
    ),
    "olmo": (),  # LayerNorms without weights
}
_LLAMA_NORMS = ("input_layernorm", "post_attention_layernorm")


@dataclass(frozen=True)
class PaperModel:
    """One model's shape; `tied` where the embeddings are the head too."""

    name: str
    model_type: str
    layers: int
    d_model: int
    d_mlp: int
    heads: int
    key_value_heads: int
    head_dim: int
    vocab: int
    tied: bool

    @property
    def config(self) -> dict[str, Any]:
        """config.json."""
        is_gemma = self.model_type == "gemma2"
        return {
            "architectures": [_ARCHITECTURES[self.model_type]],
            "model_type": self.model_type,
            "hidden_size": self.d_model,
            "intermediate_size": self.d_mlp,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.key_value_heads,
            "head_dim": self.head_dim,
            "hidden_activation" if is_gemma else "hidden_act": "gelu_pytorch_tanh" if is_gemma else "silu",
            "vocab_size": self.vocab,
            "tie_word_embeddings": self.tied,
            "torch_dtype": "bfloat16",
        }

    def tensors(self) -> Iterator[Tensor]:
        """In the order of the state dict, by which shards are cut."""
        norms = _NORMS.get(self.model_type, _LLAMA_NORMS)
        yield "model.embed_tokens.weight", (self.vocab, self.d_model)
        for layer in range(self.layers):
            prefix = f"model.layers.{layer}"
            yield from self._attention(f"{prefix}.self_attn")
            yield f"{prefix}.mlp.gate_proj.weight", (self.d_mlp, self.d_model)
            yield f"{prefix}.mlp.up_proj.weight", (self.d_mlp, self.d_model)
            yield f"{prefix}.mlp.down_proj.weight", (self.d_model, self.d_mlp)
            for norm in norms:
                yield f"{prefix}.{norm}.weight", (self.d_model,)
        if norms:
            yield "model.norm.weight", (self.d_model,)
        if not self.tied:
            yield "lm_head.weight", (self.vocab, self.d_model)

    @property
    def parameters(self) -> int:
        return sum(prod(shape) for _, shape in self.tensors())

    @property
    def mlp_weights(self) -> int:
        return 3 * self.layers * self.d_model * self.d_mlp

    @property
    def neurons(self) -> int:
        return self.layers * self.d_mlp

    def _attention(self, prefix: str) -> Iterator[Tensor]:
        queries, keys = self.heads * self.head_dim, self.key_value_heads * self.head_dim
        for name, width in (("q", queries), ("k", keys), ("v", keys)):
            yield f"{prefix}.{name}_proj.weight", (width, self.d_model)
            if self.model_type == "qwen2":
                yield f"{prefix}.{name}_proj.bias", (width,)
        yield f"{prefix}.o_proj.weight", (self.d_model, queries)


PAPER_MODELS = {
    model.name: model
    for model in (
        PaperModel("01-ai/Yi-6B", "llama", 32, 4096, 11008, 32, 4, 128, 64000, False),
        PaperModel("allenai/OLMo-1B-hf", "olmo", 16, 2048, 8192, 16, 16, 128, 50304, True),
        PaperModel("allenai/OLMo-7B-0424-hf", "olmo", 32, 4096, 11008, 32, 32, 128, 50304, False),
        PaperModel("google/gemma-2-2b", "gemma2", 26, 2304, 9216, 8, 4, 256, 256000, True),
        PaperModel("google/gemma-2-9b", "gemma2", 42, 3584, 14336, 16, 8, 256, 256000, True),
        PaperModel("meta-llama/Llama-2-7b-hf", "llama", 32, 4096, 11008, 32, 32, 128, 32000, False),
        PaperModel("meta-llama/Llama-3.1-8B", "llama", 32, 4096, 14336, 32, 8, 128, 128256, False),
        PaperModel("meta-llama/Llama-3.2-1B", "llama", 16, 2048, 8192, 32, 8, 64, 128256, True),
        PaperModel("meta-llama/Llama-3.2-3B", "llama", 28, 3072, 8192, 24, 8, 128, 128256, True),
        PaperModel("mistralai/Mistral-7B-v0.1", "mistral", 32, 4096, 14336, 32, 8, 128, 32000, False),
        PaperModel("Qwen/Qwen2.5-0.5B", "qwen2", 24, 896, 4864, 14, 2, 64, 151936, True),
        PaperModel("Qwen/Qwen2.5-7B", "qwen2", 28, 3584, 18944, 28, 4, 128, 152064, False),
    )
}
"""By repository."""
