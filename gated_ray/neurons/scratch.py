"""Memory for one chunk of neurons, used again for the next."""

import torch


class Scratch:
    """Matrices of up to `rows` neurons that are overwritten chunk after chunk.

    Fresh ones a chunk would go back to the system each time: faulting them in again was measured to cost more than the
    arithmetic.

    Args:
        count: how many matrices.
        rows: most neurons in a chunk.
        d_model: width.
        dtype, device: of all of them.
    """

    def __init__(self, count: int, rows: int, d_model: int, dtype: torch.dtype, device: torch.device) -> None:
        self.dtype = dtype
        self._d_model = d_model
        self._memory = [torch.empty(rows * d_model, dtype=dtype, device=device) for _ in range(count)]

    def matrix(self, index: int, rows: int) -> torch.Tensor:
        """One of the matrices, (rows, d_model), contiguous; a negative index counts from the last."""
        return self._memory[index][: rows * self._d_model].view(rows, self._d_model)
