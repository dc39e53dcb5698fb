"""What must not change a cosine, and what must: over random blocks of any shape and dtype."""

from unittest import mock

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gated_ray.neurons import geometry as geometry_module
from gated_ray.neurons.geometry import BlockWeights, Geometry, neuron_geometry
from gated_ray.neurons.preparation import Preparation
from tests.neurons.made_up import COSINE_ERROR, COSINES, NORMS, assert_float64_agrees, random_weights

DTYPES = (torch.bfloat16, torch.float16, torch.float32)

_examples = settings(deadline=None, max_examples=40, derandomize=True)


@st.composite
def blocks(draw: st.DrawFn, dtypes: tuple[torch.dtype, ...] = DTYPES) -> BlockWeights:
    shape = draw(st.integers(1, 60)), draw(st.integers(2, 200))
    seed, gated, dtype = draw(st.integers(0, 2**31)), draw(st.booleans()), draw(st.sampled_from(dtypes))
    return random_weights(*shape, seed=seed, gated=gated, dtype=dtype)


@st.composite
def preparations(draw: st.DrawFn, d_model: int) -> Preparation:
    def gain() -> torch.Tensor | None:
        generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
        values = 0.3 + 2.2 * torch.rand(d_model, generator=generator, dtype=torch.float64)
        return values if draw(st.booleans()) else None

    return Preparation(gain(), gain(), gain(), draw(st.booleans()), draw(st.booleans()), draw(st.booleans()))


@st.composite
def cases(draw: st.DrawFn) -> tuple[BlockWeights, Preparation]:
    weights = draw(blocks())
    return weights, draw(preparations(weights.w_in.shape[1]))


def _vectors(weights: BlockWeights) -> list[torch.Tensor]:
    return [stored for stored in (weights.w_gate, weights.w_in, weights.w_out) if stored is not None]


def _block(vectors: list[torch.Tensor]) -> BlockWeights:
    *gate, w_in, w_out = vectors
    return BlockWeights(gate[0] if gate else None, w_in, w_out)


def _assert_same_cosines(found: Geometry, expected: Geometry) -> None:
    """Up to the sign of neurons that cos_gate_in, nearly zero, leaves open."""
    for name in COSINES:
        one, other = getattr(found, name), getattr(expected, name)
        if other is None:
            assert one is None
            continue
        if name == "cos_gate_out":
            unclear = expected.cos_gate_in < COSINE_ERROR
            one = torch.where(unclear, one * found.sign * expected.sign, one)
        torch.testing.assert_close(one, other, rtol=0, atol=COSINE_ERROR)


@_examples
@given(cases())
def test_every_preparation_agrees_with_float64(case: tuple[BlockWeights, Preparation]) -> None:
    weights, preparation = case
    # Centring leaves rounding alone of vectors of 2 entries whose mean is almost all: nothing to compare.
    if weights.w_in.shape[1] > 4:
        assert_float64_agrees(neuron_geometry(weights, preparation), weights, preparation)


@_examples
@given(blocks((torch.float32,)), st.integers(0, 2**31), st.sampled_from([0.5, 3.0, 30.0]))
def test_positive_rescaling_changes_no_cosine(weights: BlockWeights, seed: int, decades: float) -> None:
    """Of any of the vectors, by its own factor in every neuron, from 1e-30 to 1e30."""
    generator = np.random.default_rng(seed)
    factors = [10.0 ** generator.uniform(-decades, decades, (len(weights.w_in), 1)) for _ in range(3)]
    scaled = [stored * torch.from_numpy(factor) for stored, factor in zip(_vectors(weights), factors, strict=False)]
    expected = neuron_geometry(weights, Preparation())
    found = neuron_geometry(_block([vector.float() for vector in scaled]), Preparation())
    _assert_same_cosines(found, expected)
    for name, factor in zip(("norm_gate", "norm_in", "norm_out")[3 - len(scaled) :], factors, strict=False):
        wanted = getattr(expected, name).double() * torch.from_numpy(factor).squeeze(1)
        torch.testing.assert_close(getattr(found, name).double(), wanted, rtol=1e-5, atol=0)


@_examples
@given(cases(), st.integers(0, 2**31))
def test_permuted_neurons_give_permuted_numbers(case: tuple[BlockWeights, Preparation], seed: int) -> None:
    weights, preparation = case
    order = torch.randperm(len(weights.w_in), generator=torch.Generator().manual_seed(seed))
    expected = neuron_geometry(weights, preparation)
    found = neuron_geometry(weights.rows(order), preparation)
    for name in (*COSINES, *NORMS, "sign"):
        if getattr(expected, name) is not None:
            wanted = getattr(expected, name)[order]
            torch.testing.assert_close(getattr(found, name), wanted, rtol=1e-6, atol=1e-6, equal_nan=True)


@_examples
@given(cases(), st.integers(0, 2**31))
def test_flipping_in_and_out_changes_the_sign_alone(case: tuple[BlockWeights, Preparation], seed: int) -> None:
    weights, preparation = case
    turn = torch.randint(0, 2, (len(weights.w_in), 1), generator=torch.Generator().manual_seed(seed)) * 2 - 1
    flipped = BlockWeights(
        weights.w_gate, weights.w_in * turn.to(weights.w_in.dtype), weights.w_out * turn.to(weights.w_in.dtype)
    )
    found, expected = neuron_geometry(flipped, preparation), neuron_geometry(weights, preparation)
    for name in (*COSINES, *NORMS):
        one, other = getattr(found, name), getattr(expected, name)
        assert (one is None and other is None) or torch.equal(one, other), name
    if weights.w_gate is not None:
        assert torch.equal(found.sign, expected.sign * turn.squeeze(1).to(torch.int8))


@_examples
@given(blocks((torch.float32,)), st.integers(0, 2**31))
def test_rotating_the_residual_basis_changes_nothing(weights: BlockWeights, seed: int) -> None:
    """Without gain (RMSNorm of unit gain commutes with rotations) and without centring."""
    d_model = weights.w_in.shape[1]
    noise = np.random.default_rng(seed).normal(size=(d_model, d_model))
    rotation = torch.from_numpy(np.linalg.qr(noise)[0])
    rotated = _block([(stored.double() @ rotation).float() for stored in _vectors(weights)])
    found, expected = neuron_geometry(rotated, Preparation()), neuron_geometry(weights, Preparation())
    _assert_same_cosines(found, expected)
    for name in NORMS:
        if getattr(expected, name) is not None:
            torch.testing.assert_close(getattr(found, name), getattr(expected, name), rtol=1e-5, atol=0)


@_examples
@given(cases(), st.integers(1, 1 << 16))
def test_chunks_do_not_matter(case: tuple[BlockWeights, Preparation], chunk_bytes: int) -> None:
    weights, preparation = case
    expected = neuron_geometry(weights, preparation)
    with mock.patch.object(geometry_module, "_CPU_CHUNK_BYTES", chunk_bytes):
        _assert_same_cosines(neuron_geometry(weights, preparation), expected)
