"""The same numbers on a GPU: run with ``python -m pytest -m gpu`` where there is one."""

from pathlib import Path

import numpy as np
import pytest
import torch

import gated_ray
from gated_ray.neurons.geometry import BlockWeights, neuron_geometry
from gated_ray.neurons.preparation import Preparation
from gated_ray.neurons.randomness import mismatched_regions, unit_vectors
from gated_ray.vocabulary import COSINES
from tests.checkpoints.reference import reference_geometry

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine"),
]

MAIN = Path(__file__).parent.parent / "data" / "tiny-docs-llama" / "main"


def random_block(neurons: int, d_model: int, dtype: torch.dtype) -> tuple[BlockWeights, Preparation]:
    generator = torch.Generator().manual_seed(1)
    w_gate, w_in, w_out = (torch.randn(neurons, d_model, generator=generator).to(dtype) for _ in range(3))
    gain = 0.5 + torch.rand(d_model, generator=generator, dtype=torch.float64)
    return BlockWeights(w_gate, w_in, w_out.T.contiguous().T), Preparation(
        gate_gain=gain, in_gain=gain, centre_out=True
    )


def on_gpu(weights: BlockWeights, preparation: Preparation) -> tuple[BlockWeights, Preparation]:
    moved = BlockWeights(weights.w_gate.cuda(), weights.w_in.cuda(), weights.w_out.cuda())
    gain = preparation.in_gain.cuda()
    return moved, Preparation(gate_gain=gain, in_gain=gain, centre_out=preparation.centre_out)


def test_trained_model_is_within_3e6_of_float64() -> None:
    geometry = gated_ray.analyze(str(MAIN), device="cuda")
    reference = reference_geometry(MAIN)
    for (layer, _), expected in reference.items():
        rows = geometry.neurons.filter(np.asarray(geometry.neurons["layer"]) == layer)
        for name in COSINES:
            assert np.abs(rows[name].to_numpy() - expected[name]).max() < 3e-6
        assert rows["io_class"].to_pylist() == list(expected["io_class"])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_wide_block_agrees_with_float64(dtype: torch.dtype) -> None:
    weights, preparation = random_block(3000, 4096, dtype)
    weights.w_in[5] = 0
    weights.w_out[7, 3] = float("nan")
    found = neuron_geometry(*on_gpu(weights, preparation))
    gate, w_in = (each.double() * preparation.in_gain for each in (weights.w_gate, weights.w_in))
    out = weights.w_out.double()
    out = out - out.mean(dim=1, keepdim=True)
    expected = torch.nn.functional.cosine_similarity(w_in, out, dim=1, eps=0.0)
    sound = torch.ones(3000, dtype=torch.bool)
    sound[[5, 7]] = False
    assert (found.cos_in_out.cpu().double() - expected)[sound].abs().max() < 3e-6
    assert found.cos_in_out.cpu()[~sound].isnan().all()
    flipped = torch.nn.functional.cosine_similarity(gate, w_in, dim=1, eps=0.0) < 0
    assert torch.equal(found.sign.cpu()[sound], torch.where(flipped, -1, 1).to(torch.int8)[sound])


@pytest.mark.parametrize("exact", [True, False])
def test_regions_agree_with_the_cpu(exact: bool) -> None:
    weights, preparation = random_block(3000, 512, torch.bfloat16)
    regions = []
    for each in ((weights, preparation), on_gpu(weights, preparation)):
        vectors = unit_vectors(*each, neuron_geometry(*each))
        regions.append(mismatched_regions(vectors, exact=exact, least_pairs=500_000, seed=3))
    cpu, gpu = regions
    for name in ("in_out_low", "in_out_high", "gate_out_low", "gate_out_high", "gate_in_high"):
        assert getattr(gpu, name) == pytest.approx(getattr(cpu, name), abs=2e-6)
    assert gpu.pairs == cpu.pairs


def test_same_block_gives_the_same_bytes_again() -> None:
    first, second = (gated_ray.analyze(str(MAIN), regions="exact", device="cuda") for _ in range(2))
    assert first.neurons.equals(second.neurons)
    assert first.layers.equals(second.layers)
