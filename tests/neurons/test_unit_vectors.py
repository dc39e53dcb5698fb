"""What mismatched regions are made from: prepared directions of canonical sign, of the neurons that have all cosines."""

import numpy as np
import pytest
import torch

from gated_ray.neurons.geometry import BlockWeights, neuron_geometry
from gated_ray.neurons.preparation import Preparation
from gated_ray.neurons.randomness import MismatchedRegions, mismatched_regions, unit_vectors
from tests.checkpoints.reference import neuron_numbers
from tests.neurons.made_up import float64_vectors, random_weights
from tests.neurons.pairs import EXACT_ERROR, all_pairs_regions, largest_error


def _regions_of(weights: BlockWeights, preparation: Preparation) -> MismatchedRegions | None:
    vectors = unit_vectors(weights, preparation, neuron_geometry(weights, preparation))
    return mismatched_regions(vectors, exact=True, least_pairs=1, seed=0)


@pytest.mark.parametrize("gated", [True, False], ids=["gated", "plain"])
def test_vectors_are_prepared_and_of_canonical_sign(gated: bool) -> None:
    weights = random_weights(300, 24, gated=gated, dtype=torch.bfloat16)
    gain = 0.3 + 2.2 * torch.rand(24, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    preparation = Preparation(gain, gain.flip(0), centre_gate=True, centre_in=True, centre_out=True)
    gate, w_in, w_out = float64_vectors(weights, preparation)
    sign = neuron_numbers(gate, w_in, w_out)["sign"][:, None]
    expected = [sign * w_in, sign * w_out]
    vectors = unit_vectors(weights, preparation, neuron_geometry(weights, preparation))
    for found, wanted in zip(vectors, [gate, *expected] if gated else expected, strict=True):
        assert found.dtype == torch.float32
        np.testing.assert_allclose(found, wanted / np.linalg.norm(wanted, axis=1, keepdims=True), atol=1e-6)
    regions = all_pairs_regions(*([gate, *expected] if gated else expected))
    assert largest_error(_regions_of(weights, preparation), regions) < EXACT_ERROR


def test_neurons_without_a_cosine_are_left_out() -> None:
    weights = random_weights(800, 16)
    weights.w_gate[3] = 0.0
    weights.w_in[400, 2] = float("nan")
    weights.w_out[799] = float("inf")
    kept = torch.tensor([row for row in range(800) if row not in (3, 400, 799)])
    found = _regions_of(weights, Preparation())
    assert found == _regions_of(weights.rows(kept), Preparation())
    assert found is not None
    assert found.pairs == 797 * 796


def test_directions_that_float32_cannot_prepare() -> None:
    """Gains overflow, squares vanish, centring cancels: the directions are as sound as any."""
    weights = random_weights(200, 64)
    noise = weights.w_in.double()
    weights.w_gate[::2] *= 1e38 / weights.w_gate.abs().amax()
    weights.w_out.mul_(1e-36)
    weights.w_in.copy_(noise * 1e-3 + 1e3)
    preparation = Preparation(in_gain=torch.full((64,), 16.0, dtype=torch.float64), centre_in=True)
    gate, w_in, w_out = float64_vectors(weights, preparation)
    sign = neuron_numbers(gate, w_in, w_out)["sign"][:, None]
    expected = all_pairs_regions(gate, sign * w_in, sign * w_out)
    assert largest_error(_regions_of(weights, preparation), expected) < EXACT_ERROR


@pytest.mark.parametrize("usable", [0, 1])
@pytest.mark.parametrize("neurons", [0, 1, 5])
def test_fewer_than_two_usable_neurons_have_no_region(neurons: int, usable: int) -> None:
    weights = random_weights(neurons, 16)
    weights.w_in[usable:] = 0.0
    assert _regions_of(weights, Preparation()) is None
