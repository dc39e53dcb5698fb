"""Mismatched regions the plain way: every pair in float64, and numpy's quantiles."""

import numpy as np
import torch

from gated_ray.neurons.randomness import MismatchedRegions

EXACT_ERROR, SAMPLED_ERROR = 1e-4, 3e-4
"""What METHOD section 4 promises."""

REGIONS = ("in_out_low", "in_out_high", "gate_out_low", "gate_out_high", "gate_in_high")


def all_pairs_regions(*vectors: np.ndarray) -> dict[str, float]:
    """Regions by name from (gate,) in, out, each (neurons, d_model) float64 of canonical sign and any length."""
    *gate, w_in, w_out = (vector / np.linalg.norm(vector, axis=1, keepdims=True) for vector in vectors)
    different = ~np.eye(len(w_in), dtype=bool)

    def cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return (left @ right.T)[different]

    regions = dict(zip(REGIONS[:2], np.quantile(cosines(w_in, w_out), [0.025, 0.975]), strict=True))
    if gate:
        regions |= zip(REGIONS[2:4], np.quantile(cosines(gate[0], w_out), [0.025, 0.975]), strict=True)
        regions["gate_in_high"] = np.quantile(np.abs(cosines(gate[0], w_in)), 0.95)
    return regions


def largest_error(found: MismatchedRegions | None, expected: dict[str, float]) -> float:
    """Over the regions that there are; those of a plain block's gate must be None."""
    assert found is not None
    assert {name for name in REGIONS if getattr(found, name) is None} == set(REGIONS) - set(expected)
    return max(abs(getattr(found, name) - value) for name, value in expected.items())


def float64_arrays(vectors: list[torch.Tensor]) -> list[np.ndarray]:
    return [vector.double().numpy() for vector in vectors]


def unit_rows(rows: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(rows / np.linalg.norm(rows, axis=1, keepdims=True)).float()


def alike(neurons: int, d_model: int, seed: int = 0) -> list[torch.Tensor]:
    """Gate, in and out whose pairs are all of one kind: Gaussian directions."""
    generator = np.random.default_rng(seed)
    return [unit_rows(generator.normal(size=(neurons, d_model))) for _ in range(3)]


def unlike(neurons: int, d_model: int, share: float, seed: int = 0) -> list[torch.Tensor]:
    """Some neurons lean along a common direction, far or little, either way: their tails reach much further than others'."""
    generator = np.random.default_rng(seed)
    direction = generator.normal(size=d_model) / d_model**0.5
    vectors = []
    for _ in range(3):
        leaning = generator.random((neurons, 1)) < share
        lean = leaning * generator.normal(scale=1.5, size=(neurons, 1))
        vectors.append(unit_rows(generator.normal(size=(neurons, d_model)) / d_model**0.5 + lean * direction))
    return vectors
