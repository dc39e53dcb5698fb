"""Norms and cosines of every neuron of a block, in float32, in chunks that stay in cache (METHOD section 2)."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from gated_ray.neurons.preparation import Preparation, prepare
from gated_ray.neurons.scratch import Scratch

_CPU_CHUNK_BYTES = 1 << 20
"""Of one float32 operand: measured fastest between 0.4 and 2 MB on a CPU with 1 MB of L2 a core."""
_GPU_CHUNK_BYTES = 1 << 28
_SAFE_SQUARED_NORM = (1e-30, 1e30)
_SAFE_REMAINDER = 1e-2
"""Share of a squared norm that centring must leave for float32 to keep cosines within 3e-6."""
_NOTHING_LEFT = 1e-26
"""Share of a squared norm below which what centring left is float64 rounding: the vector was constant."""


@dataclass(frozen=True)
class Geometry:
    """Per-neuron quantities of one block, each (neurons,) float32 with NaN where the quantity does not exist.

    The gate's are None for a plain block. `sign` is int8: -1 where w_in and w_out were flipped, else 1.
    """

    cos_gate_in: torch.Tensor | None
    cos_gate_out: torch.Tensor | None
    cos_in_out: torch.Tensor
    norm_gate: torch.Tensor | None
    norm_in: torch.Tensor
    norm_out: torch.Tensor
    sign: torch.Tensor


@dataclass(frozen=True)
class BlockWeights:
    """The stored weights of one block, one neuron a row: each (neurons, d_model), any float dtype, any strides.

    `w_out` is usually a transposed view of the stored matrix. `w_gate` is None for a plain block.
    """

    w_gate: torch.Tensor | None
    w_in: torch.Tensor
    w_out: torch.Tensor

    def rows(self, index: slice | torch.Tensor) -> "BlockWeights":
        """The weights of some neurons."""
        return BlockWeights(None if self.w_gate is None else self.w_gate[index], self.w_in[index], self.w_out[index])

    @property
    def count(self) -> int:
        """Vectors a neuron: three, or two in a plain block."""
        return 2 if self.w_gate is None else 3

    def chunks(self) -> Iterator[slice]:
        """Runs of neurons whose float32 operands stay in cache (on a GPU: fill it)."""
        neurons = len(self.w_in)
        step = self._chunk_rows()
        for begin in range(0, neurons, step):
            yield slice(begin, min(begin + step, neurons))

    def scratch(self, dtype: torch.dtype) -> Scratch:
        """Memory for `prepared_vectors` of one chunk and a matrix to spare."""
        neurons, d_model = self.w_in.shape
        return Scratch(self.count + 1, min(neurons, self._chunk_rows()), d_model, dtype, self.w_in.device)

    def _chunk_rows(self) -> int:
        size = _CPU_CHUNK_BYTES if self.w_in.device.type == "cpu" else _GPU_CHUNK_BYTES
        return max(16, size // (4 * self.w_in.shape[1]))


def prepared_vectors(
    weights: BlockWeights, preparation: Preparation, scratch: Scratch
) -> tuple[list[torch.Tensor], list[torch.Tensor | None]]:
    """w_gate (if any), w_in and w_out as compared, and what centring removed of their squared norms; see `prepare`.

    The vectors, (neurons, d_model) of the scratch's dtype, stand in the scratch until it is used again.
    """
    neurons = len(weights.w_in)
    vectors: list[torch.Tensor] = []
    removed: list[torch.Tensor | None] = []
    for stored, gain, centre in (
        (weights.w_gate, preparation.gate_gain, preparation.centre_gate),
        (weights.w_in, preparation.in_gain, preparation.centre_in),
        (weights.w_out, preparation.out_gain, preparation.centre_out),
    ):
        if stored is not None:
            vector = scratch.matrix(len(vectors), neurons)
            removed.append(prepare(stored, gain, centre, vector, scratch.matrix(-1, neurons)))
            vectors.append(vector)
    return vectors, removed


def _pairs(count: int) -> list[tuple[int, int]]:
    return [(j, k) for j in range(count) for k in range(j + 1, count)]


def _multiply(vectors: list[torch.Tensor], spare: torch.Tensor, products: torch.Tensor) -> None:
    """Into the rows of `products`, (products, neurons): squared norms of each vector, then dot products of each pair."""
    factors = [(k, k) for k in range(len(vectors))] + _pairs(len(vectors))
    for row, (j, k) in zip(products, factors, strict=True):
        torch.sum(torch.mul(vectors[j], vectors[k], out=spare), dim=1, out=row)


def _cosines(products: torch.Tensor, norms: torch.Tensor) -> torch.Tensor:
    """(pairs, neurons) from the rows of `_multiply` and from norms (vectors, neurons)."""
    dots = products[len(norms) :]
    return torch.stack([dot / (norms[j] * norms[k]) for dot, (j, k) in zip(dots, _pairs(len(norms)), strict=True)])


def _float32_products(weights: BlockWeights, preparation: Preparation) -> tuple[torch.Tensor, torch.Tensor]:
    """The rows of `_multiply` in float32, (products, neurons), and which neurons float32 may get wrong, (neurons,)."""
    scratch = weights.scratch(torch.float32)
    preparation = preparation.with_gains_in(torch.float32)
    neurons, device = len(weights.w_in), weights.w_in.device
    products = torch.empty(weights.count + len(_pairs(weights.count)), neurons, device=device)
    removed = torch.zeros(weights.count, neurons, device=device)
    for chunk in weights.chunks():
        vectors, lost = prepared_vectors(weights.rows(chunk), preparation, scratch)
        _multiply(vectors, scratch.matrix(-1, len(vectors[0])), products[:, chunk])
        for row, squares in zip(removed, lost, strict=True):
            if squares is not None:
                row[chunk] = squares
    squares = products[: weights.count]
    low, high = _SAFE_SQUARED_NORM
    safe = (squares > low) & (squares < high) & (squares >= _SAFE_REMAINDER * removed)
    return products, ~safe.all(dim=0)


def _float64_cosines(
    weights: BlockWeights, preparation: Preparation, scratch: Scratch
) -> tuple[torch.Tensor, torch.Tensor]:
    """Norms (vectors, neurons) and cosines (pairs, neurons) in float64; NaN for zero vectors and non-finite weights."""
    vectors, removed = prepared_vectors(weights, preparation, scratch)
    for vector, lost in zip(vectors, removed, strict=True):
        if lost is not None:
            constant = vector.square().sum(dim=1) < _NOTHING_LEFT * lost
            vector[constant] = 0.0
    # Scaled by their largest entry, so that neither squares nor products overflow or vanish.
    largest = torch.stack([vector.abs().amax(dim=1) for vector in vectors])
    for vector, scale in zip(vectors, largest, strict=True):
        vector.div_(scale[:, None])
    products = largest.new_empty(len(vectors) + len(_pairs(len(vectors))), largest.shape[1])
    _multiply(vectors, scratch.matrix(-1, len(vectors[0])), products)
    norms = products[: len(vectors)].sqrt()
    return (norms * largest).masked_fill(largest == 0, 0.0), _cosines(products, norms)


def neuron_geometry(weights: BlockWeights, preparation: Preparation) -> Geometry:
    """Norms, cosines and canonical signs of every neuron of a block.

    Computed in float32; neurons whose norms leave float32's safe range, or that centring all but cancels, are done
    again in float64, so that every cosine is within 3e-6 of a float64 computation on the same stored weights.

    A zero vector or a non-finite weight has no cosine: NaN. The norm of a zero vector is 0, of a non-finite one NaN.
    """
    products, doubtful = _float32_products(weights, preparation)
    norms = products[: weights.count].sqrt()
    cosines = _cosines(products, norms)
    if doubtful.any():
        scratch = weights.scratch(torch.float64)
        for chunk in weights.chunks():
            rows = chunk.start + doubtful[chunk].nonzero().squeeze(1)
            exact_norms, exact_cosines = _float64_cosines(weights.rows(rows), preparation, scratch)
            norms[:, rows] = exact_norms.float()
            cosines[:, rows] = exact_cosines.float()
    cosines.clamp_(-1.0, 1.0)  # rounding may leave 1.0000001
    return _with_canonical_sign(norms, cosines)


def _with_canonical_sign(norms: torch.Tensor, cosines: torch.Tensor) -> Geometry:
    if len(norms) == 2:
        sign = torch.ones_like(norms[0], dtype=torch.int8)
        return Geometry(None, None, cosines[0], None, norms[0], norms[1], sign)
    gate_in, gate_out, in_out = cosines
    flip = gate_in < 0
    sign = torch.where(flip, -1, 1).to(torch.int8)
    return Geometry(gate_in.abs(), torch.where(flip, -gate_out, gate_out), in_out, norms[0], norms[1], norms[2], sign)
