"""compressed-tensors' ``pack-quantized``: integers packed along the inputs, lowest bits of a word first.

Rule (compressed_tensors compressors/pack_quantized): numbers are stored plus 2^(bits - 1), zero points of groups and channels
too, packed along the outputs; W = (q - zero_point) * scale.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from gated_ray.architectures.quantization.grids import Block, apply_grid
from gated_ray.architectures.quantization.unpacking import unpack_bits
from gated_ray.errors import CheckpointError, UnsupportedError


@dataclass(frozen=True)
class PackedRows:
    """Parts: ``weight_packed`` (out, words), ``weight_scale`` on the grid of `block`, ``weight_shape`` (2,), and where there
    are such ``weight_zero_point`` (packed int32, or int8 as the scale) and ``weight_g_idx`` (in,); decoded (out, in).

    Attributes:
        format: name of the format.
        name: of the weight, for messages.
        bits: of one number.
        shape: of the weight, which ``weight_shape`` must confirm.
        block: what shares a scale; None for one scale for the tensor.
    """

    format: str
    name: str
    bits: int
    shape: tuple[int, int]
    block: Block | None

    def decode(self, parts: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Raises UnsupportedError or CheckpointError where the bodies do not confirm what the headers promise."""
        stored = tuple(parts["weight_shape"].tolist())
        if stored != self.shape:
            raise UnsupportedError(f"tensor {self.name} is packed with filling: {stored} in {self.shape}")
        values = self._signed(parts["weight_packed"])[:, : self.shape[1]].to(torch.float32)
        scale = parts["weight_scale"].to(torch.float32)
        zero_point = parts.get("weight_zero_point")
        if zero_point is not None and zero_point.dtype == torch.int32:
            zero_point = self._signed(zero_point.T).T[: self.shape[0]]
        block = self.block
        if "weight_g_idx" in parts and int(parts["weight_g_idx"].min()) >= 0:
            groups = parts["weight_g_idx"].long()
            if int(groups.max()) >= scale.shape[1]:
                raise CheckpointError(f"tensor {self.name}: its weight_g_idx names a group without a scale")
            scale, block = scale[:, groups], (1, 1)
            zero_point = zero_point[:, groups] if zero_point is not None else None
        if zero_point is not None:
            apply_grid(torch.Tensor.sub_, values, zero_point.to(torch.float32), block)
        apply_grid(torch.Tensor.mul_, values, scale, block)
        return values

    def _signed(self, words: torch.Tensor) -> torch.Tensor:
        """int8; 2^(bits - 1) wraps around to the right number for 8 bits too."""
        return (unpack_bits(words, self.bits) - (1 << (self.bits - 1))).view(torch.int8)
