"""Biases on the way through a block."""

import re
from typing import Literal

from gated_ray.architectures.blocks import Bias, Matrix
from gated_ray.architectures.matrices import Matrices
from gated_ray.architectures.rules import Form, Norm
from gated_ray.architectures.stacks import Layer, Module
from gated_ray.errors import CheckpointError, UnsupportedError


def bias_names(form: Form) -> dict[Literal["gate", "in", "out"], str]:
    """Names that biases of a form's tensors have, relative to the module."""
    named = {"gate": (form.gate, form.gate_bias), "in": (form.w_in, form.in_bias), "out": (form.w_out, form.out_bias)}
    found = {}
    for role, (weight, bias) in named.items():
        if bias or weight.endswith("weight"):
            found[role] = bias or re.sub(r"weight$", "bias", weight)
    return found  # type: ignore[return-value]


def bias_of_norm(gain: str) -> str:
    """The name of a norm's bias by that of its gain; empty where that tells nothing."""
    return gain.removesuffix("weight") + "bias" if gain.endswith("weight") else ""


def block_biases(
    module: Module, found: Matrices, norm: Norm, pre_norm: str, layer: Layer, ref: str
) -> tuple[Bias, ...]:
    """The biases that the layer has.

    Args:
        module, found: of the block.
        norm: kind of the norm before.
        pre_norm: name of its gain, relative to the layer; may be empty.
        layer: the layer's tensors.
        ref: for messages.

    Raises:
        UnsupportedError: an RMSNorm with a bias: it is a LayerNorm.
        CheckpointError: a bias of another length than what it is added to.
    """
    biases = []
    matrices: dict[str, Matrix | None] = {"gate": found.gate, "in": found.w_in, "out": None}
    for role, name in bias_names(module.form).items():
        if stored := layer.get(module.path + name):
            record = stored.parts["weight"]
            matrix = matrices[role]
            first, step, count = (matrix.first, matrix.step, matrix.neurons) if matrix else (0, 1, found.w_in.d_model)
            total = count * 2 if module.form.fused and role != "out" else count
            expert = found.expert if len(record.shape) == 2 else None  # one may be all experts'
            rows = found.w_in.stored.shape[:1] if expert is not None else ()
            if record.shape != (*rows, total):
                raise CheckpointError(f"{ref}: {stored.name} has shape {record.shape}, but the block needs {total}")
            biases.append(Bias(role, record, expert, first, step, count))
    if stored := layer.get(bias_of_norm(pre_norm)):
        if norm != "layer":
            raise UnsupportedError(
                f"{ref}: {stored.name} makes the norm a LayerNorm, which models of this type do not have"
            )
        biases.append(Bias("norm", stored.parts["weight"], None, 0, 1, found.w_in.d_model))
    return tuple(biases)
