"""What a cosine must exceed to be more than chance (METHOD section 4)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from scipy.special import betaincinv

from gated_ray.neurons.geometry import BlockWeights, Geometry, prepared_vectors
from gated_ray.neurons.preparation import Preparation
from gated_ray.neurons.quantiles import CosineCounts, batch_error

REGION_P = 0.05
"""Share of chance cosines outside a region."""

_TILE_ROWS = 256
_TILE_VALUES = 1 << 23
_BATCHES = 32
"""Least batches of rows behind an error estimate of a sample."""
_LEAST_ROWS = 512
"""Least rows of a sample: rows of another kind, one in a hundred, are missed by it in 6 of 1,000 cases."""
_SAMPLED_ERROR = 3e-4 / 4
"""Standard error of a sampled quantile at which sampling stops: the promised 3e-4 is four of them."""


@dataclass(frozen=True)
class MismatchedRegions:
    """Quantiles of cosines between one neuron's vector and another's.

    `gate_in_high` is the 1-p quantile of the absolute value; the others are the p/2 and 1-p/2 quantiles. The gate's
    are None for a plain block. `pairs` counts the ordered pairs behind each quantile.
    """

    in_out_low: float
    in_out_high: float
    gate_out_low: float | None
    gate_out_high: float | None
    gate_in_high: float | None
    pairs: int


def theory_region(d_model: int) -> tuple[float, float]:
    """Central 1-p interval of the cosine of two independent Gaussian vectors in `d_model` dimensions.

    (1 + cosine) / 2 follows a Beta((d-1)/2, (d-1)/2), so the ends are symmetric about zero.
    """
    half = (d_model - 1) / 2
    low = 2.0 * float(betaincinv(half, half, REGION_P / 2)) - 1.0
    return low, -low


def unit_vectors(weights: BlockWeights, preparation: Preparation, geometry: Geometry) -> list[torch.Tensor]:
    """w_gate (if any), w_in and w_out, prepared, of canonical sign and of length 1.

    Args:
        geometry: what `neuron_geometry` gave for the same weights.

    Returns:
        Two or three (usable neurons, d_model) float32 tensors; neurons that lack a cosine are left out.
    """
    cosines = (geometry.cos_gate_in, geometry.cos_gate_out, geometry.cos_in_out)
    usable = torch.stack([~cosine.isnan() for cosine in cosines if cosine is not None]).all(dim=0)
    count, d_model = int(usable.sum()), weights.w_in.shape[1]
    units = [torch.empty(count, d_model, device=usable.device) for _ in range(weights.count)]
    # In float64, like the doubtful neurons of `neuron_geometry`, because here their directions count one by one.
    scratch = weights.scratch(torch.float64)
    done = 0
    for chunk in weights.chunks():
        rows = chunk if usable[chunk].all() else chunk.start + usable[chunk].nonzero().squeeze(1)
        vectors, _ = prepared_vectors(weights.rows(rows), preparation, scratch)
        flip = geometry.sign[rows, None]
        filled = slice(done, done + len(flip))
        for index, (vector, unit) in enumerate(zip(vectors, units, strict=True)):
            vector.div_(vector.abs().amax(dim=1, keepdim=True))  # so that the norm cannot overflow
            length = torch.linalg.vector_norm(vector, dim=1, keepdim=True)
            unit[filled] = vector.div_(length * flip if len(units) == 3 and index > 0 else length)
        done = filled.stop
    return units


def mismatched_regions(
    vectors: list[torch.Tensor], *, exact: bool, least_pairs: int, seed: int
) -> MismatchedRegions | None:
    """Randomness regions from pairs of different neurons.

    Rows (some or all neurons) meet all columns in one matrix product a batch; each tile is counted into narrow bins and
    forgotten, so memory stays far below neurons**2. Sampling goes on until at least `least_pairs` pairs are counted and
    the spread of the quantiles between batches puts four standard errors below 3e-4, or until all rows are in.

    Args:
        vectors: unit vectors (usable neurons, d_model), of gate (if gated), in and out; see `unit_vectors`.
        exact: take all ordered pairs; so does a sample that would need all rows.
        seed: of the order in which rows are sampled.

    Returns:
        The regions, or None where fewer than two neurons are usable.
    """
    neurons = len(vectors[0])
    if neurons < 2:
        return None
    *gate, w_in, w_out = vectors
    pairings = [(w_in, w_out, False)] + ([(gate[0], w_out, False), (gate[0], w_in, True)] if gate else [])
    totals = [CosineCounts(w_in.device, absolute=absolute) for _, _, absolute in pairings]
    batches: list[list[tuple[float, ...]]] = [[] for _ in pairings]
    least_rows = max(_LEAST_ROWS, -(-least_pairs // (neurons - 1)))
    sampled = not exact and least_rows < neurons
    batch_rows = min(least_rows // _BATCHES if sampled else _TILE_ROWS, max(1, _TILE_VALUES // neurons))
    order = _row_order(neurons, seed if sampled else None).to(w_in.device)
    done = 0
    for rows, tiles in _tiles([(left, right) for left, right, _ in pairings], order, batch_rows):
        for total, history, tile, (_, _, absolute) in zip(totals, batches, tiles, pairings, strict=True):
            counts = CosineCounts(w_in.device, absolute=absolute)
            counts.add(tile, own=rows)
            total.merge(counts)
            if sampled:
                history.append(counts.region(REGION_P))
        done += len(rows)
        if sampled and done >= least_rows and _enough(batches, unseen=1.0 - done / neurons):
            break
    regions = [total.region(REGION_P) for total in totals]
    return MismatchedRegions(
        in_out_low=regions[0][0],
        in_out_high=regions[0][1],
        gate_out_low=regions[1][0] if gate else None,
        gate_out_high=regions[1][1] if gate else None,
        gate_in_high=regions[2][0] if gate else None,
        pairs=done * (neurons - 1),
    )


def _tiles(
    pairings: Sequence[tuple[torch.Tensor, torch.Tensor]], order: torch.Tensor, batch_rows: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """A batch of rows after the other: which rows, and (pairing, row, column) their products.

    Several batches are multiplied at once, because products of few rows wait for memory: 16 rows at a time took twice
    the CPU of 256.
    """
    neurons = len(order)
    at_once = max(1, min(_TILE_ROWS, _TILE_VALUES // neurons) // batch_rows) * batch_rows
    memory = torch.empty(len(pairings), at_once, neurons, device=order.device)
    for rows in order.split(at_once):
        products = memory[:, : len(rows)]
        for product, (left, right) in zip(products, pairings, strict=True):
            torch.mm(left[rows], right.T, out=product)
        yield from zip(rows.split(batch_rows), products.split(batch_rows, dim=1), strict=True)


def _row_order(neurons: int, seed: int | None) -> torch.Tensor:
    """All rows in their own order, or (with a seed) in a random one."""
    if seed is None:
        return torch.arange(neurons)
    return torch.randperm(neurons, generator=torch.Generator().manual_seed(seed))


def _enough(batches: list[list[tuple[float, ...]]], unseen: float) -> bool:
    return all(batch_error(history, unseen) <= _SAMPLED_ERROR for history in batches)
