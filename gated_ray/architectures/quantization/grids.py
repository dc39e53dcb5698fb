"""Scales and zero points that each hold for a block of weights."""

from collections.abc import Callable
from math import ceil

import torch

Block = tuple[int, int]
"""Rows and columns that share one value; blocks at the lower and right edge may be smaller."""


def grid_shape(shape: tuple[int, ...], block: Block) -> tuple[int, ...]:
    """Shape of the grid of blocks over the last two dimensions."""
    return (*shape[:-2], ceil(shape[-2] / block[0]), ceil(shape[-1] / block[1]))


def apply_grid(
    operation: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    values: torch.Tensor,
    grid: torch.Tensor,
    block: Block | None,
) -> None:
    """Change every value in place by the grid's entry for its block.

    Args:
        operation: in place, such as ``torch.Tensor.mul_``.
        values: (..., rows, columns) float32.
        grid: of `grid_shape`; one value without a block, and one value a row may be (rows,).
        block: None for one value for all.
    """
    if block is None:
        operation(values, grid.reshape(()))
        return
    rows, columns = values.shape[-2:]
    if grid.dim() < values.dim():
        grid = grid.unsqueeze(-1)
    by_row = grid.repeat_interleave(block[0], dim=-2)[..., :rows, :]
    whole = columns // block[1]
    edge = whole * block[1]
    operation(values[..., :edge].unflatten(-1, (whole, block[1])), by_row[..., :whole, None])
    operation(values[..., edge:], by_row[..., whole:])


def scale_values(scale: torch.Tensor) -> torch.Tensor:
    """Scales in float32; a byte is an E8M0 exponent (2^(byte - 127), 255 is NaN: OCP Microscaling, 5.4.1)."""
    if scale.dtype == torch.uint8:
        scale = scale.view(torch.float8_e8m0fnu)
    return scale.to(torch.float32)
