"""How stored weights become the vectors that are compared (METHOD section 2)."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Preparation:
    """What is done to a block's vectors before their cosines are taken.

    Attributes:
        read_gain: gain of the norm before the block, multiplied into w_gate and w_in; (d_model,), None for no gain.
        write_gain: gain of the norm after the block, multiplied into w_out; (d_model,), None for no gain.
        centre_gate, centre_in, centre_out: remove the vector's mean over d_model, after folding.
    """

    read_gain: torch.Tensor | None = None
    write_gain: torch.Tensor | None = None
    centre_gate: bool = False
    centre_in: bool = False
    centre_out: bool = False


def prepare(
    weights: torch.Tensor, gain: torch.Tensor | None, centre: bool, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """Fold and centre the vectors of some neurons.

    Args:
        weights: stored weights, one neuron a row: (neurons, d_model), any float dtype, any strides.
        gain: (d_model,) factor, or None.
        centre: whether to remove each vector's mean.
        dtype: dtype of the computation, float32 or float64.

    Returns:
        The prepared vectors, (neurons, d_model), contiguous, of `dtype`, in memory of their own; and what centring
        removed from each squared norm, (neurons,), zero without centring.
    """
    vectors = torch.empty(weights.shape, dtype=dtype, device=weights.device)
    vectors.copy_(weights)
    if gain is not None:
        vectors.mul_(gain.to(dtype))
    if not centre:
        return vectors, vectors.new_zeros(len(vectors))
    mean = vectors.mean(dim=1)
    vectors.sub_(mean[:, None])
    return vectors, mean.square() * vectors.shape[1]
