"""Norms, cosines and canonical signs against float64, where float32 is comfortable and where it is not."""

from unittest import mock

import numpy as np
import pytest
import torch

from gated_ray.neurons import geometry as geometry_module
from gated_ray.neurons.geometry import BlockWeights, neuron_geometry
from gated_ray.neurons.preparation import Preparation
from tests.neurons.made_up import COSINES, NORMS, assert_float64_agrees, float64_vectors, random_weights

DTYPES = (torch.bfloat16, torch.float16, torch.float32)
PLAIN = Preparation()


def _gain(d_model: int, seed: int = 7) -> torch.Tensor:
    return 0.3 + 2.2 * torch.rand(d_model, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("gated", [True, False], ids=["gated", "plain"])
@pytest.mark.parametrize("d_model", [1, 7, 64, 4096])
def test_agrees_with_float64(dtype: torch.dtype, gated: bool, d_model: int) -> None:
    weights = random_weights(150, d_model, gated=gated, dtype=dtype)
    for preparation in (
        PLAIN,
        Preparation(gate_gain=_gain(d_model), in_gain=_gain(d_model)),
        Preparation(_gain(d_model), _gain(d_model), _gain(d_model, 8), centre_gate=d_model > 1, centre_in=d_model > 1),
        Preparation(_gain(d_model), _gain(d_model), centre_in=d_model > 1, centre_out=d_model > 1),
    ):
        assert_float64_agrees(neuron_geometry(weights, preparation), weights, preparation)


def test_vectors_of_one_sign_in_the_widest_models() -> None:
    """Sums of 16,384 products of one sign, cosines near 1: where a careless float32 sum is off by 1e-5 and more."""
    generator = torch.Generator().manual_seed(0)
    w_gate, w_in, w_out = (1 + 0.2 * torch.rand(20, 16384, generator=generator) for _ in range(3))
    weights = BlockWeights(w_gate, w_in, w_out.T.contiguous().T)
    assert_float64_agrees(neuron_geometry(weights, PLAIN), weights, PLAIN)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_cosines_never_leave_their_range(dtype: torch.dtype) -> None:
    stored = torch.randn(500, 331, generator=torch.Generator().manual_seed(0)).to(dtype)
    geometry = neuron_geometry(BlockWeights(stored, -2 * stored, stored), PLAIN)
    for name in COSINES:
        assert getattr(geometry, name).abs().max() <= 1.0
    torch.testing.assert_close(geometry.cos_gate_in, torch.ones(500), rtol=0, atol=3e-6)
    torch.testing.assert_close(geometry.cos_in_out, -torch.ones(500), rtol=0, atol=3e-6)
    torch.testing.assert_close(geometry.cos_gate_out, -torch.ones(500), rtol=0, atol=3e-6)
    assert (geometry.sign == -1).all()


@pytest.mark.parametrize("exponent", [-44, -38, -30, -20, 20, 30, 37])
@pytest.mark.parametrize("vector", ["w_gate", "w_in", "w_out"])
def test_lengths_far_from_one(vector: str, exponent: int) -> None:
    """Squares of these overflow or vanish in float32, and the smallest are subnormal themselves."""
    weights = random_weights(40, 64)
    large = getattr(weights, vector).double()
    large = large / large.abs().amax()
    getattr(weights, vector).copy_(large * 10.0**exponent)
    assert_float64_agrees(neuron_geometry(weights, PLAIN), weights, PLAIN)


def test_products_within_range_of_squares_that_are_not() -> None:
    weights = random_weights(40, 64)
    weights.w_in.mul_(1e30)
    weights.w_out.mul_(1e-30)
    assert_float64_agrees(neuron_geometry(weights, PLAIN), weights, PLAIN)


def test_gain_that_overflows_float32() -> None:
    weights = random_weights(10, 16)
    weights.w_gate.mul_(1e38 / weights.w_gate.abs().amax())
    gain = torch.full((16,), 1e3, dtype=torch.float64)
    preparation = Preparation(gate_gain=gain, in_gain=gain)
    geometry = neuron_geometry(weights, preparation)
    _, *others = float64_vectors(weights, preparation)
    gate = weights.w_gate.double().numpy()
    for cosine, other in zip((geometry.cos_gate_in, geometry.cos_gate_out), others, strict=True):
        expected = (gate * other).sum(1) / np.linalg.norm(gate, axis=1) / np.linalg.norm(other, axis=1)
        np.testing.assert_allclose(cosine.abs().numpy(), np.abs(expected), atol=3e-6)
    assert geometry.norm_gate.isinf().any()


def test_stored_float64_beyond_float32() -> None:
    weights = random_weights(10, 16, dtype=torch.float64)
    scaled = BlockWeights(weights.w_gate * 1e200, weights.w_in * 1e-200, weights.w_out)
    found, expected = neuron_geometry(scaled, PLAIN), neuron_geometry(weights, PLAIN)
    for name in COSINES:
        torch.testing.assert_close(getattr(found, name), getattr(expected, name), rtol=0, atol=3e-6)


@pytest.mark.parametrize("mean", [1.0, 10.0, 100.0, 1e4])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32], ids=str)
def test_centring_of_vectors_that_are_nearly_constant(mean: float, dtype: torch.dtype) -> None:
    """The mean is many times what is left without it."""
    noise = random_weights(30, 512)
    weights = BlockWeights(*((stored + mean).to(dtype) for stored in (noise.w_gate, noise.w_in, noise.w_out)))
    for preparation in (
        Preparation(centre_gate=True, centre_in=True, centre_out=True),
        Preparation(centre_in=True, centre_out=True),
    ):
        assert_float64_agrees(neuron_geometry(weights, preparation), weights, preparation)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("value", [1.0, 0.1, -3.0e4, 1e-7])
def test_constant_vectors_are_zero_after_centring(value: float, dtype: torch.dtype) -> None:
    weights = random_weights(6, 301, dtype=dtype)
    weights.w_gate[0] = weights.w_in[1] = weights.w_out[2] = value
    geometry = neuron_geometry(weights, Preparation(centre_gate=True, centre_in=True, centre_out=True))
    _assert_missing(geometry, norms={0: "norm_gate", 1: "norm_in", 2: "norm_out"}, norm=0.0)


def test_folding_that_makes_a_vector_constant() -> None:
    gain = _gain(64)
    weights = random_weights(6, 64, dtype=torch.float64)
    weights.w_in[1] = 1 / gain
    geometry = neuron_geometry(weights, Preparation(gate_gain=gain, in_gain=gain, centre_in=True))
    assert geometry.cos_in_out.isnan().tolist() == [False, True, False, False, False, False]
    assert geometry.norm_in[1] == 0


def test_a_single_unit_in_the_last_place_is_not_constant() -> None:
    weights = random_weights(3, 4096)
    weights.w_in[1] = 1.0
    weights.w_in[1, 7] += 2.0**-23
    preparation = Preparation(centre_in=True)
    geometry = neuron_geometry(weights, preparation)
    assert_float64_agrees(geometry, weights, preparation)
    assert 1e-7 < geometry.norm_in[1] < 1.3e-7


def test_zero_vectors_have_norm_zero_and_no_cosine() -> None:
    weights = random_weights(6, 32)
    weights.w_gate[0] = weights.w_in[1] = weights.w_out[2] = 0.0
    geometry = neuron_geometry(weights, Preparation(gate_gain=_gain(32), in_gain=_gain(32)))
    _assert_missing(geometry, norms={0: "norm_gate", 1: "norm_in", 2: "norm_out"}, norm=0.0)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("everywhere", [False, True])
@pytest.mark.parametrize("centre", [False, True])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_non_finite_weights_have_neither_norm_nor_cosine(
    bad: float, everywhere: bool, centre: bool, dtype: torch.dtype
) -> None:
    weights = random_weights(6, 32, dtype=dtype)
    where = slice(None) if everywhere else 5
    weights.w_gate[0, where] = weights.w_in[1, where] = weights.w_out[2, where] = bad
    preparation = Preparation(_gain(32), centre_gate=centre, centre_in=centre, centre_out=centre)
    geometry = neuron_geometry(weights, preparation)
    _assert_missing(geometry, norms={0: "norm_gate", 1: "norm_in", 2: "norm_out"}, norm=float("nan"))


def _assert_missing(geometry: geometry_module.Geometry, norms: dict[int, str], norm: float) -> None:
    """Of 6 neurons, 0 lacks w_gate, 1 lacks w_in and 2 lacks w_out; nothing else is missing."""
    missing = {"cos_gate_in": {0, 1}, "cos_gate_out": {0, 2}, "cos_in_out": {1, 2}}
    for name, neurons in missing.items():
        assert {row for row, gone in enumerate(getattr(geometry, name).isnan().tolist()) if gone} == neurons, name
    for name in NORMS:
        for row, value in enumerate(getattr(geometry, name).tolist()):
            if norms.get(row) == name:
                np.testing.assert_equal(value, norm)
            else:
                assert 0 < value < float("inf"), (name, row)
    assert geometry.sign[:2].tolist() == [1, 1]


def test_a_zero_gate_leaves_in_and_out() -> None:
    weights = random_weights(6, 32)
    expected = neuron_geometry(weights, PLAIN)
    weights.w_gate[0] = 0.0
    geometry = neuron_geometry(weights, PLAIN)
    for name in ("cos_in_out", "norm_in", "norm_out"):
        assert torch.equal(getattr(geometry, name), getattr(expected, name))


def test_a_layer_of_zeros() -> None:
    zeros = torch.zeros(9, 8)
    for weights in (BlockWeights(zeros, zeros, zeros), BlockWeights(None, zeros, zeros)):
        geometry = neuron_geometry(weights, Preparation(centre_out=True))
        assert geometry.cos_in_out.isnan().all()
        assert geometry.norm_in.tolist() == geometry.norm_out.tolist() == [0.0] * 9
        assert geometry.sign.tolist() == [1] * 9


@pytest.mark.parametrize("neurons", [0, 1, 2])
@pytest.mark.parametrize("gated", [True, False], ids=["gated", "plain"])
def test_few_neurons(neurons: int, gated: bool) -> None:
    weights = random_weights(neurons, 16, gated=gated)
    geometry = neuron_geometry(weights, PLAIN)
    assert len(geometry.cos_in_out) == neurons
    assert_float64_agrees(geometry, weights, PLAIN)


def test_canonical_sign_by_hand() -> None:
    """cos(w_gate, w_in) = -1, cos(w_gate, w_out) = 0.6, cos(w_in, w_out) = -0.6: the flip turns the first two only."""
    weights = BlockWeights(torch.tensor([[1.0, 0.0]]), torch.tensor([[-2.0, 0.0]]), torch.tensor([[3.0, 4.0]]))
    geometry = neuron_geometry(weights, PLAIN)
    assert geometry.sign.dtype == torch.int8
    assert geometry.sign.tolist() == [-1]
    assert geometry.cos_gate_in.tolist() == [1.0]
    np.testing.assert_allclose(geometry.cos_gate_out.numpy(), [-0.6], atol=1e-7)
    np.testing.assert_allclose(geometry.cos_in_out.numpy(), [-0.6], atol=1e-7)


def test_orthogonal_gate_and_in_are_not_flipped() -> None:
    weights = BlockWeights(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, -2.0]]), torch.tensor([[3.0, 4.0]]))
    geometry = neuron_geometry(weights, PLAIN)
    assert geometry.sign.tolist() == [1]
    assert geometry.cos_gate_in.tolist() == [0.0]


def test_plain_blocks_have_no_gate_and_no_flip() -> None:
    geometry = neuron_geometry(random_weights(50, 16, gated=False), PLAIN)
    assert geometry.cos_gate_in is geometry.cos_gate_out is geometry.norm_gate is None
    assert geometry.sign.tolist() == [1] * 50
    assert (geometry.cos_in_out < 0).any()


@pytest.mark.parametrize("chunk_bytes", [1, 4 * 48 * 33, 1 << 30])
def test_chunks_do_not_matter(chunk_bytes: int) -> None:
    weights = random_weights(200, 48, dtype=torch.bfloat16)
    weights.w_in[33] = 0.0
    weights.w_in[150] *= 1e30  # in a chunk other than the first, so that offsets count
    preparation = Preparation(gate_gain=_gain(48), in_gain=_gain(48), centre_out=True)
    expected = neuron_geometry(weights, preparation)
    with mock.patch.object(geometry_module, "_CPU_CHUNK_BYTES", chunk_bytes):
        found = neuron_geometry(weights, preparation)
        assert len(list(weights.chunks())) == {1: 13, 4 * 48 * 33: 7, 1 << 30: 1}[chunk_bytes]
    for name in (*COSINES, *NORMS, "sign"):
        torch.testing.assert_close(getattr(found, name), getattr(expected, name), rtol=1e-6, atol=1e-6, equal_nan=True)


def test_stored_weights_are_not_written_to() -> None:
    weights = random_weights(20, 16)
    before = [stored.clone() for stored in (weights.w_gate, weights.w_in, weights.w_out)]
    neuron_geometry(weights, Preparation(_gain(16), _gain(16), centre_gate=True, centre_in=True, centre_out=True))
    for stored, copy in zip((weights.w_gate, weights.w_in, weights.w_out), before, strict=True):
        assert torch.equal(stored, copy)
