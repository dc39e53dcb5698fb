"""One layer of an 8B model on a GPU: its geometry against moving its bytes, its exact regions against three products.

Not among the benchmarks that run by default: ``python -m tests.benchmarks gpu_speed`` where there is a GPU.
"""

import torch

from gated_ray.neurons.geometry import BlockWeights, neuron_geometry
from gated_ray.neurons.preparation import Preparation
from gated_ray.neurons.randomness import mismatched_regions, unit_vectors
from tests.benchmarks.measure import Ratio, alternating

_NEURONS, _D_MODEL = 14336, 4096
_PAIRS = 2_000_000
_REPEATS = 7


def run() -> list[Ratio]:
    """The ratios of this benchmark."""
    shape = _NEURONS, _D_MODEL
    w_gate, w_in = (torch.randn(shape, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    w_out = torch.randn(shape[::-1], device="cuda", dtype=torch.bfloat16).T
    weights = BlockWeights(w_gate, w_in, w_out)
    gain = torch.rand(_D_MODEL, device="cuda", dtype=torch.float64) + 0.5
    preparation = Preparation(gate_gain=gain, in_gain=gain)
    copy = torch.empty_like(w_gate)
    host = torch.empty(shape, dtype=torch.bfloat16).pin_memory()

    def synchronised(work):
        def run_and_wait() -> None:
            work()
            torch.cuda.synchronize()

        return run_and_wait

    def move() -> None:
        for stored in (w_gate, w_in, w_out):
            copy.copy_(stored if stored.is_contiguous() else stored.T.view(shape))

    def upload() -> None:
        for _ in range(3):
            copy.copy_(host)

    geometry = neuron_geometry(weights, preparation)
    vectors = unit_vectors(weights, preparation, geometry)
    gate, reads, writes = vectors

    def products() -> None:
        for left, right in ((reads, writes), (gate, writes), (gate, reads)):
            left @ right.T

    torch.cuda.reset_peak_memory_stats()
    seconds = alternating(
        _REPEATS,
        *map(
            synchronised,
            (
                lambda: neuron_geometry(weights, preparation),
                move,
                upload,
                lambda: mismatched_regions(vectors, exact=True, least_pairs=_PAIRS, seed=0),
                lambda: mismatched_regions(vectors, exact=False, least_pairs=_PAIRS, seed=0),
                products,
            ),
        ),
    )
    measure, moved, uploaded, exact, sampled, floor = (1e3 * each for each in seconds)
    name = f"{_NEURONS} x {_D_MODEL}, {torch.cuda.get_device_name()}"
    return [
        Ratio(
            "GPU geometry / copy on the device", measure / moved, "x", None, f"{measure:.2f} / {moved:.2f} ms, {name}"
        ),
        Ratio("GPU geometry / upload", measure / uploaded, "x", None, f"{uploaded:.2f} ms from pinned memory"),
        Ratio("GPU exact regions / three products", exact / floor, "x", 1.5, f"{exact:.1f} / {floor:.1f} ms"),
        Ratio("GPU sampled regions / three products", sampled / floor, "x", None, f"{sampled:.1f} ms"),
    ]
