"""One planted layer: vectors with given cosines, rounded to the stored dtype and checked in float64."""

from collections.abc import Mapping

import torch

from tests.checkpoints.cosine_cells import THRESHOLD, draw_triples
from tests.checkpoints.planted_families import Family, draw_gain

_CHUNK = 512
"""Neurons handled at once: their vectors stay in cache."""


def plant_layer(
    layer: int,
    counts: Mapping[str, int],
    d_model: int,
    family: Family,
    dtype: torch.dtype,
    margin: float,
    generator: torch.Generator,
) -> dict[str, torch.Tensor]:
    """The gated block of one layer and the gain of the norm before it."""
    stored_gain = draw_gain(d_model, family, dtype, generator)
    gate, w_in, out = plant_vectors(counts, stored_gain.double() + family.gain_offset, dtype, margin, generator)
    prefix = f"model.layers.{layer}."
    return {
        f"{prefix}mlp.gate_proj.weight": gate,
        f"{prefix}mlp.up_proj.weight": w_in,
        f"{prefix}mlp.down_proj.weight": out.T.contiguous(),
        f"{prefix}{family.pre_norm}.weight": stored_gain,
    }


def plant_vectors(
    counts: Mapping[str, int], gain: torch.Tensor, dtype: torch.dtype, margin: float, generator: torch.Generator
) -> torch.Tensor:
    """[3, neurons, d_model] of `dtype`: w_gate, w_in and w_out of neurons of these classes once `gain` is folded."""
    triples = torch.cat([draw_triples(name, count, margin, generator) for name, count in counts.items()])
    classes = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(list(counts.values())))
    order = torch.randperm(len(triples), generator=generator)
    triples, classes = triples[order], classes[order]
    names = list(counts)
    weights = torch.empty(3, len(triples), len(gain), dtype=dtype)
    pending = torch.arange(len(triples))
    while len(pending):
        violators = []
        for rows in pending.split(_CHUNK):
            weights[:, rows] = _draw_vectors(triples[rows], gain.float(), generator).to(dtype)
            violators.append(rows[_least_margin(weights[:, rows], gain) < margin])
        pending = torch.cat(violators)
        for row in pending.tolist():
            triples[row] = draw_triples(names[classes[row]], 1, margin, generator)
    return weights


def _draw_vectors(triples: torch.Tensor, gain: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """[3, n, d_model] float32: w_gate and w_in before folding, w_out; folded, their cosines are the triples [n, 3]."""
    a, b, c = triples.unbind(1)
    one = torch.ones_like(a)
    gram = torch.stack([one, c, b, c, one, a, b, a, one], dim=1).view(-1, 3, 3)
    noise = torch.randn(len(a), 3, len(gain), generator=generator)
    # With L L^T the Gram matrix of the noise, L^-1 noise is orthonormal.
    mix = torch.linalg.solve_triangular(
        torch.linalg.cholesky(noise @ noise.mT), torch.linalg.cholesky(gram), upper=False, left=False
    )
    lengths = torch.empty(len(a), 3, 1).uniform_(0.4, 2.5, generator=generator)
    flips = torch.randint(0, 2, (len(a), 1), generator=generator) * 2.0 - 1
    lengths[:, 1:] *= flips[:, None]
    gate, w_in, out = ((mix * lengths) @ noise).unbind(1)
    return torch.stack([gate / gain, w_in / gain, out])


def _least_margin(weights: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
    """[n]: least distance, in float64, of the neurons' |cosines| from the threshold, and of |cos_gate_in| from zero."""
    gate, w_in, out = weights.double().unbind(0)
    gate, w_in = gate * gain, w_in * gain
    pairs = ((w_in, out), (gate, out), (gate, w_in))
    cosines = torch.stack([torch.nn.functional.cosine_similarity(x, y, dim=1).abs() for x, y in pairs])
    return torch.cat([(cosines - THRESHOLD).abs(), cosines[2:]]).amin(0)
