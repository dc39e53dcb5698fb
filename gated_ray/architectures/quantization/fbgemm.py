"""FBGEMM FP8: one scale for each output (transformers integrations/fbgemm_fp8.py).

A linear layer has weight (out, in) and scale (out, 1). Llama-4's experts are in x out: gate_up_proj (E, d, 2I) with scale
(E, 1, 2I), down_proj (E, I, d) with scale (E, d, 1), which counts the last dimension too.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch

from gated_ray.architectures.quantization.evidence import FP8, Quantized
from gated_ray.architectures.quantization.scaled import ScaledWeights
from gated_ray.architectures.stored import StoredTensor

_FORMAT = "fbgemm-fp8"


@dataclass(frozen=True)
class ExpertColumns:
    """W[e, i, j] = q[e, i, j] * scale[e, j]. Parts: ``weight`` (E, in, out), ``scale`` (E, 1, out) or (E, out, 1)."""

    format: str = _FORMAT

    def decode(self, parts: Mapping[str, torch.Tensor]) -> torch.Tensor:
        return parts["weight"].to(torch.float32).mul_(parts["scale"].to(torch.float32).flatten(1)[:, None])


def fbgemm_tensors(checkpoint: Quantized) -> Iterator[StoredTensor]:
    """Every FP8 weight, with its ``_scale``."""
    for name, weight in checkpoint.tensors.items():
        if weight.dtype not in FP8:
            continue
        scale = checkpoint.need(f"{name}_scale", name)
        checkpoint.need_dtype(scale, "F32", "F16", "BF16")
        parts = {"weight": weight, "scale": scale}
        match weight.shape:
            case (rows, columns) if scale.shape in ((rows, 1), (rows,)):
                yield StoredTensor(name, weight.shape, parts, ScaledWeights(_FORMAT, (1, columns)))
            case (experts, _, columns) if scale.shape in ((experts, 1, columns), (experts, columns, 1)):
                yield StoredTensor(name, weight.shape, parts, ExpertColumns())
            case _:
                raise checkpoint.disagree(weight, scale)
