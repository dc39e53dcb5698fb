"""Several small numbers in one stored word."""

import torch

FP4_VALUES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0)
"""E2M1 by its four bits (OCP Microscaling, table 5)."""


def unpack_bits(words: torch.Tensor, bits: int) -> torch.Tensor:
    """Unsigned numbers along the last dimension, lowest bits of a word first.

    Args:
        words: (..., n) of any integer dtype.
        bits: 2, 4 or 8, so that none crosses a byte.

    Returns:
        (..., n * word bits / bits) uint8.
    """
    # a last dimension of size 1 may count as contiguous whatever its stride, which view refuses
    in_bytes = words.clone(memory_format=torch.contiguous_format).view(torch.uint8)
    if bits == 8:
        return in_bytes
    shifts = torch.arange(0, 8, bits, dtype=torch.uint8, device=words.device)
    return ((in_bytes.unsqueeze(-1) >> shifts) & ((1 << bits) - 1)).flatten(-2)


def look_up_nibbles(packed: torch.Tensor, code: torch.Tensor, *, low_first: bool) -> torch.Tensor:
    """Values of both halves of every byte.

    Args:
        packed: (..., n) bytes.
        code: the 16 values, float32.
        low_first: whether the lower four bits come first.

    Returns:
        (..., 2 * n) float32.
    """
    byte = torch.arange(256, device=packed.device)
    low, high = code[byte & 15], code[byte >> 4]
    pairs = torch.stack((low, high) if low_first else (high, low), dim=-1)
    return pairs[packed.view(torch.uint8).int()].flatten(-2)


def fp4_values(packed: torch.Tensor) -> torch.Tensor:
    """(..., n) bytes of E2M1 pairs, low half first, to (..., 2 * n) float32."""
    code = torch.tensor(FP4_VALUES, dtype=torch.float32, device=packed.device)
    return look_up_nibbles(packed, code, low_first=True)
