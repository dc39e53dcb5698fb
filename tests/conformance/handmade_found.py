"""What gated-ray should find, made by hand from the parameters of a few live models: the comparison is tested on them."""

from typing import Any

import torch

from tests.conformance.compare import Found

OAI_PRODUCT = "act(min(gate, limit)) * (clip(in, limit) + 1)"


def llama(model: Any) -> list[Found]:
    """Dense, gate and up apart, RMSNorm before."""
    return [
        _block(layer, "dense", None, _linears(block.mlp), gain=block.post_attention_layernorm.weight.data)
        for layer, block in enumerate(model.model.layers)
    ]


def gemma2(model: Any) -> list[Found]:
    """Gains are 1 + w, and a norm follows the block."""
    return [
        _block(
            layer,
            "dense",
            None,
            _linears(block.mlp),
            gain=1 + block.pre_feedforward_layernorm.weight.data,
            out_gain=1 + block.post_feedforward_layernorm.weight.data,
            activation="gelu_pytorch_tanh",
        )
        for layer, block in enumerate(model.model.layers)
    ]


def cohere(model: Any) -> list[Found]:
    """LayerNorm, shared with attention beside the block."""
    return [
        _block(layer, "dense", None, _linears(block.mlp), gain=block.input_layernorm.weight.data, centred=True)
        for layer, block in enumerate(model.model.layers)
    ]


def mixtral(model: Any) -> list[Found]:
    """Experts in one tensor, gate first."""
    found = []
    for layer, block in enumerate(model.model.layers):
        experts = block.mlp.experts
        for expert in range(len(experts.gate_up_proj)):
            gate, w_in = experts.gate_up_proj.data[expert].chunk(2)
            matrices = (gate, w_in, experts.down_proj.data[expert].T)
            found.append(_block(layer, "expert", expert, matrices, gain=block.post_attention_layernorm.weight.data))
    return found


def gpt_oss(model: Any) -> list[Found]:
    """Experts (inputs, outputs), gate and up interleaved, with biases and a product of its own."""
    found = []
    for layer, block in enumerate(model.model.layers):
        experts = block.mlp.experts
        for expert in range(len(experts.gate_up_proj)):
            fused, bias = experts.gate_up_proj.data[expert].T, experts.gate_up_proj_bias.data[expert]
            made = _block(
                layer,
                "expert",
                expert,
                (fused[::2], fused[1::2], experts.down_proj.data[expert]),
                gain=block.post_attention_layernorm.weight.data,
                activation="quick_gelu",
            )
            made.b_gate, made.b_in, made.b_out = bias[::2], bias[1::2], experts.down_proj_bias.data[expert]
            made.product, made.settings = OAI_PRODUCT, {"limit": experts.limit}
            found.append(made)
    return found


def _linears(mlp: Any) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return mlp.gate_proj.weight.data, mlp.up_proj.weight.data, mlp.down_proj.weight.data.T


def _block(
    layer: int,
    kind: str,
    expert: int | None,
    matrices: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    *,
    gain: torch.Tensor,
    out_gain: torch.Tensor | float = 1.0,
    centred: bool = False,
    activation: str = "silu",
) -> Found:
    gate, w_in, out = matrices
    folded = [gate * gain, w_in * gain, out * out_gain]
    if centred:
        folded = [each - each.mean(-1, keepdim=True) for each in folded]
    return Found(
        layer=layer,
        kind=kind,
        expert=expert,
        w_gate=gate,
        w_in=w_in,
        w_out=out,
        folded_gate=folded[0],
        folded_in=folded[1],
        residual_out=folded[2],
        activation=activation,
    )


def cosine_columns(found: Found) -> dict[str, list[float]]:
    """The table's columns for these vectors, in float64 and canonical sign."""
    pairs = {
        "cos_gate_in": (found.folded_gate, found.folded_in),
        "cos_gate_out": (found.folded_gate, found.residual_out),
        "cos_in_out": (found.folded_in, found.residual_out),
    }
    columns = {name: torch.cosine_similarity(*pair, dim=-1) for name, pair in pairs.items()}
    sign = torch.where(columns["cos_gate_in"] < 0, -1.0, 1.0).double()
    columns["cos_gate_in"], columns["cos_gate_out"] = sign * columns["cos_gate_in"], sign * columns["cos_gate_out"]
    return {"sign": sign.tolist(), **{name: column.tolist() for name, column in columns.items()}}
