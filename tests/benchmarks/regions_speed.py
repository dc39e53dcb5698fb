"""The exact mismatched regions against the three matrix products that they rest on."""

import torch

from gated_ray.neurons.randomness import mismatched_regions
from tests.benchmarks.measure import Ratio, alternating

_NEURONS, _D_MODEL = 4864, 896
_PAIRS = 2_000_000
_REPEATS = 5


def run() -> list[Ratio]:
    """The ratios of this benchmark."""
    generator = torch.Generator().manual_seed(0)
    vectors = [
        torch.nn.functional.normalize(torch.randn(_NEURONS, _D_MODEL, generator=generator), dim=1) for _ in range(3)
    ]
    gate, w_in, w_out = vectors

    def products() -> None:
        for left, right in ((w_in, w_out), (gate, w_out), (gate, w_in)):
            left @ right.T

    exact, sampled, floor = alternating(
        _REPEATS,
        lambda: mismatched_regions(vectors, exact=True, least_pairs=_PAIRS, seed=0),
        lambda: mismatched_regions(vectors, exact=False, least_pairs=_PAIRS, seed=0),
        products,
    )
    shape = f"{_NEURONS} neurons, d_model {_D_MODEL}"
    return [
        Ratio("exact regions / three products", exact / floor, "x", 1.5, f"{exact:.3f} s / {floor:.3f} s, {shape}"),
        Ratio("sampled regions / three products", sampled / floor, "x", None, f"{sampled:.3f} s, {shape}"),
    ]
