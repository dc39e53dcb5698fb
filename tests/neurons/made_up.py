"""Made-up neurons, and what float64 says about them."""

import numpy as np
import torch

from gated_ray.neurons.geometry import BlockWeights, Geometry
from gated_ray.neurons.preparation import Preparation
from tests.checkpoints.reference import neuron_numbers

COSINES = ("cos_gate_in", "cos_gate_out", "cos_in_out")
NORMS = ("norm_gate", "norm_in", "norm_out")

COSINE_ERROR = 3e-6
"""What METHOD section 2 promises."""


def random_weights(
    neurons: int, d_model: int, *, seed: int = 0, gated: bool = True, dtype: torch.dtype = torch.float32
) -> BlockWeights:
    """Neurons whose cosines lie all over [-1, 1]; as on disk, w_out is the transposed view of a (d_model, neurons) matrix."""
    generator = torch.Generator().manual_seed(seed)

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    common = noise(neurons, d_model)
    mixes = 1.5 * noise(3, neurons, 1)
    w_gate, w_in, w_out = (mix * common + noise(neurons, d_model) for mix in mixes)
    stored_out = w_out.T.to(dtype).contiguous()
    return BlockWeights(w_gate.to(dtype) if gated else None, w_in.to(dtype), stored_out.T)


def float64_vectors(
    weights: BlockWeights, preparation: Preparation
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
    """w_gate (None for plain blocks), w_in and w_out as METHOD section 2 prepares them, before the canonical sign."""

    def prepared(stored: torch.Tensor, gain: torch.Tensor | None, centre: bool) -> np.ndarray:
        vectors = stored.double().numpy()
        if gain is not None:
            vectors = vectors * gain.double().numpy()
        return vectors - vectors.mean(axis=1, keepdims=True) if centre else vectors

    gate = weights.w_gate
    return (
        None if gate is None else prepared(gate, preparation.gate_gain, preparation.centre_gate),
        prepared(weights.w_in, preparation.in_gain, preparation.centre_in),
        prepared(weights.w_out, preparation.out_gain, preparation.centre_out),
    )


def assert_float64_agrees(geometry: Geometry, weights: BlockWeights, preparation: Preparation) -> None:
    """Every number of a block is as accurate as METHOD section 2 promises."""
    assert_agrees(geometry, neuron_numbers(*float64_vectors(weights, preparation)))


def assert_agrees(geometry: Geometry, expected: dict[str, np.ndarray]) -> None:
    """`expected` as `neuron_numbers` gives it. A sign that hangs on less than the promised accuracy may differ."""
    clear = ~(np.abs(expected["cos_gate_in"]) <= COSINE_ERROR)
    found = {name: getattr(geometry, name) for name in (*COSINES, *NORMS)}
    if found["cos_gate_in"] is None:
        gate = {"cos_gate_in", "cos_gate_out", "norm_gate"}
        assert gate == {name for name, values in found.items() if values is None}
        assert all(np.isnan(expected[name]).all() for name in gate)
    np.testing.assert_array_equal(geometry.sign.numpy()[clear], expected["sign"][clear])
    for name, values in found.items():
        if values is None:
            continue
        numbers = values.double().numpy()
        assert values.dtype == torch.float32
        if name == "cos_gate_out":
            turned = geometry.sign.numpy() * expected["sign"]
            np.testing.assert_allclose(numbers, expected[name] * turned, rtol=0, atol=COSINE_ERROR, err_msg=name)
        elif name in COSINES:
            np.testing.assert_allclose(numbers, expected[name], rtol=0, atol=COSINE_ERROR, err_msg=name)
        else:
            np.testing.assert_allclose(numbers, expected[name], rtol=1e-5, atol=1e-44, err_msg=name)
