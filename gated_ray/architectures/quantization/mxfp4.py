"""MXFP4 experts as gpt-oss stores them: ``_blocks`` of 32 FP4 values, ``_scales`` of one exponent each.

Rule: value * 2^(scale - 127), low half of a byte first (OCP Microscaling; transformers integrations/mxfp4.py,
``convert_moe_packed_tensors``, which also turns (E, out, in) into the (E, in, out) of the unquantized model).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch

from gated_ray.architectures.quantization.evidence import Quantized
from gated_ray.architectures.quantization.grids import scale_values
from gated_ray.architectures.quantization.unpacking import fp4_values
from gated_ray.architectures.stored import StoredTensor

_BYTES = 16


@dataclass(frozen=True)
class ExpertBlocks:
    """Parts: ``blocks`` (E, out, in / 32, 16) bytes, ``scales`` (E, out, in / 32) bytes; decoded (E, in, out)."""

    format: str = "mxfp4"

    def decode(self, parts: Mapping[str, torch.Tensor]) -> torch.Tensor:
        values = fp4_values(parts["blocks"])
        values.mul_(scale_values(parts["scales"]).unsqueeze(-1))
        return values.flatten(-2).transpose(1, 2)


def mxfp4_tensors(checkpoint: Quantized) -> Iterator[StoredTensor]:
    """Every pair of blocks and scales."""
    for name in checkpoint.stems("_blocks"):
        blocks = checkpoint.tensors[f"{name}_blocks"]
        scales = checkpoint.need(f"{name}_scales", blocks.name)
        checkpoint.need_dtype(blocks, "U8")
        checkpoint.need_dtype(scales, "U8", "F8_E8M0")
        if len(blocks.shape) != 4 or blocks.shape[3] != _BYTES or scales.shape != blocks.shape[:3]:
            raise checkpoint.disagree(blocks, scales)
        experts, rows, groups, _ = blocks.shape
        shape = (experts, groups * 2 * _BYTES, rows)
        yield StoredTensor(name, shape, {"blocks": blocks, "scales": scales}, ExpertBlocks())
