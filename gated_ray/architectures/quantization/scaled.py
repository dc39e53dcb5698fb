"""Weights of eight or four bits with a scale for each block, row, group or tensor."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from gated_ray.architectures.quantization.grids import Block, apply_grid, scale_values
from gated_ray.architectures.quantization.unpacking import fp4_values


@dataclass(frozen=True)
class ScaledWeights:
    """W = (q - zero_point) * scale / global_scale.

    Parts: ``weight`` (FP8 or int8 of the weights' shape, or bytes of two FP4), ``scale`` and where there is one
    ``zero_point`` on the grid of `block`, where there is one ``global_scale`` of one value.

    Attributes:
        format: name of the format.
        block: what shares a scale; None for one scale for the tensor.
        fp4: the weight is FP4, two a byte.
    """

    format: str
    block: Block | None
    fp4: bool = False

    def decode(self, parts: Mapping[str, torch.Tensor]) -> torch.Tensor:
        weight, scale = parts["weight"], scale_values(parts["scale"])
        values = fp4_values(weight) if self.fp4 else weight.to(torch.float32)
        if "global_scale" in parts:
            scale = scale / parts["global_scale"].to(torch.float32).reshape(())
        if "zero_point" in parts:
            apply_grid(torch.Tensor.sub_, values, parts["zero_point"].to(torch.float32), self.block)
        apply_grid(torch.Tensor.mul_, values, scale, self.block)
        return values
