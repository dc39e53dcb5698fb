"""Where the oracle finds the three vectors of each family's neurons, by the ends of the tensors' names.

Prefixes differ between saved classes and between the Hub and transformers (``transformer.``, ``model.``, none), the ends do not.
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class BlockTensors:
    """One block as stored, but with neurons as rows of all three matrices."""

    w_gate: Array | None
    w_in: Array
    w_out: Array
    norm: str
    """``rms``, ``layer``, or ``none`` where the block reads the raw residual stream."""
    gain: Array
    gain_after: Array | None


@dataclass(frozen=True)
class _Rule:
    """Name ends below ``LAYER.``; None where the family has no such tensor."""

    layer: str
    gate: str | None
    w_in: str
    w_out: str
    norm: str
    gain: str | None
    gain_offset: float = 0.0
    gain_after: str | None = None
    neurons_in_columns: bool = False
    """GPT-2's Conv1D stores [in, out]: w_in as columns, w_out as rows."""
    component: str = "mlp"


_LLAMA = _Rule(
    r"layers\.",
    "mlp.gate_proj.weight",
    "mlp.up_proj.weight",
    "mlp.down_proj.weight",
    "rms",
    "post_attention_layernorm.weight",
)
_DENSE = ("mlp.dense_h_to_4h.weight", "mlp.dense_4h_to_h.weight")


def _rules(config: dict[str, Any]) -> list[_Rule]:
    match config["model_type"]:
        case "llama" | "mistral" | "qwen2":
            return [_LLAMA]
        case "gemma2":
            before, after = "pre_feedforward_layernorm.weight", "post_feedforward_layernorm.weight"
            return [_Rule(_LLAMA.layer, _LLAMA.gate, _LLAMA.w_in, _LLAMA.w_out, "rms", before, 1.0, after)]
        case "olmo":
            return [_Rule(_LLAMA.layer, _LLAMA.gate, _LLAMA.w_in, _LLAMA.w_out, "layer", None)]
        case "gpt2":
            names = ("mlp.c_fc.weight", "mlp.c_proj.weight")
            return [_Rule(r"h\.", None, *names, "layer", "ln_2.weight", neurons_in_columns=True)]
        case "gptj":
            return [_Rule(r"h\.", None, "mlp.fc_in.weight", "mlp.fc_out.weight", "layer", "ln_1.weight")]
        case "bloom":
            return [_Rule(r"h\.", None, *_DENSE, "layer", "post_attention_layernorm.weight")]
        case "gpt_neox":
            return [_Rule(r"layers\.", None, *_DENSE, "layer", "post_attention_layernorm.weight")]
        case "opt":
            reads_normed = config.get("do_layer_norm_before", True)
            norm, gain = ("layer", "final_layer_norm.weight") if reads_normed else ("none", None)
            return [_Rule(r"layers\.", None, "fc1.weight", "fc2.weight", norm, gain)]
        case "bert":
            return [_Rule(r"layer\.", None, "intermediate.dense.weight", "output.dense.weight", "none", None)]
        case "t5":
            return [_t5_rule(config, "encoder", 1), _t5_rule(config, "decoder", 2)]
    raise ValueError(f"the oracle knows no model_type {config['model_type']!r}")


def _t5_rule(config: dict[str, Any], stack: str, sublayer: int) -> _Rule:
    block = f"layer.{sublayer}.DenseReluDense"
    gated = config.get("feed_forward_proj", "relu").startswith("gated-")
    gate, w_in = (f"{block}.wi_0.weight", f"{block}.wi_1.weight") if gated else (None, f"{block}.wi.weight")
    gain = f"layer.{sublayer}.layer_norm.weight"
    return _Rule(rf"{stack}\.block\.", gate, w_in, f"{block}.wo.weight", "rms", gain, component=f"{stack}_mlp")


def find_blocks(config: dict[str, Any], tensors: dict[str, Array]) -> dict[tuple[int, str], BlockTensors]:
    """Every block, by layer and component."""
    return {
        (layer, rule.component): _block(rule, prefix, tensors)
        for rule in _rules(config)
        for layer, prefix in _layers(rule, tensors)
    }


def _layers(rule: _Rule, tensors: dict[str, Array]) -> list[tuple[int, str]]:
    pattern = re.compile(rf"((?:.*\.)?{rule.layer}(\d+)\.){re.escape(rule.w_in)}")
    found = [match for name in tensors if (match := pattern.fullmatch(name))]
    return sorted((int(match[2]), match[1]) for match in found)


def _block(rule: _Rule, prefix: str, tensors: dict[str, Array]) -> BlockTensors:
    w_in, w_out = tensors[prefix + rule.w_in], tensors[prefix + rule.w_out]
    w_in, w_out = (w_in.T, w_out) if rule.neurons_in_columns else (w_in, w_out.T)
    gain = np.ones(w_in.shape[1]) if rule.gain is None else tensors[prefix + rule.gain] + rule.gain_offset
    after = None if rule.gain_after is None else tensors[prefix + rule.gain_after] + rule.gain_offset
    return BlockTensors(None if rule.gate is None else tensors[prefix + rule.gate], w_in, w_out, rule.norm, gain, after)
