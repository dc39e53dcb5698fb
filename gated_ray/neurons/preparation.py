"""How stored weights become the vectors that are compared (METHOD section 2)."""

from dataclasses import dataclass, replace

import torch


@dataclass(frozen=True)
class Preparation:
    """What is done to a block's vectors before their cosines are taken.

    Attributes:
        gate_gain, in_gain: gain of the norm before the block, multiplied into w_gate and w_in; (d_model,), None for no gain.
        out_gain: gain of what follows the block, multiplied into w_out; (d_model,), None for no gain.
        centre_gate, centre_in, centre_out: remove the vector's mean over d_model, after folding.
    """

    gate_gain: torch.Tensor | None = None
    in_gain: torch.Tensor | None = None
    out_gain: torch.Tensor | None = None
    centre_gate: bool = False
    centre_in: bool = False
    centre_out: bool = False

    def with_gains_in(self, dtype: torch.dtype) -> "Preparation":
        """The same with gains of another dtype, so that they need not be converted for every few neurons."""
        gains = (self.gate_gain, self.in_gain, self.out_gain)
        gate, read, write = (gain if gain is None else gain.to(dtype) for gain in gains)
        return replace(self, gate_gain=gate, in_gain=read, out_gain=write)


def prepare(
    weights: torch.Tensor, gain: torch.Tensor | None, centre: bool, vectors: torch.Tensor, spare: torch.Tensor
) -> torch.Tensor | None:
    """Fold and centre the vectors of some neurons.

    Args:
        weights: stored weights, one neuron a row: (neurons, d_model), any float dtype, any strides.
        gain: (d_model,) factor, or None.
        centre: whether to remove each vector's mean.
        vectors: where the prepared vectors go, (neurons, d_model), contiguous, float32 or float64: the dtype computed in.
        spare: of the same shape and dtype; overwritten.

    Returns:
        What centring removed from each squared norm, (neurons,), None without centring.
    """
    _copy(weights, vectors, spare)
    if gain is not None:
        vectors.mul_(gain.to(vectors.dtype))
    if not centre:
        return None
    mean = vectors.mean(dim=1)
    vectors.sub_(mean[:, None])
    return mean.square() * vectors.shape[1]


def _copy(weights: torch.Tensor, vectors: torch.Tensor, spare: torch.Tensor) -> None:
    """Copy and convert, columns to rows where neurons are stored as columns.

    On a CPU torch transposes in blocks only between whole matrices of one dtype: converting first and transposing then
    takes two thirds of the time of one strided, converting copy.
    """
    if weights.device.type == "cpu" and weights.stride(0) == 1:
        columns = spare.view(weights.shape[1], weights.shape[0])
        weights = columns.copy_(weights.T).T
    vectors.copy_(weights)
