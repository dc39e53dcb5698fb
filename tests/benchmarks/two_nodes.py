"""How much faster two Ray nodes of a worker each are than one: where the network is the limit, and where the processor is.

Seconds are those from the beginning of the first unit to the end of the last: what starts before the units, Ray and the
workers, is no part of a sweep's speed. Takes minutes.
"""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks.measure import Ratio
from tests.checkpoints.paper_models import PaperModel
from tests.cluster.apart import sweep_on
from tests.cluster.nodes import RayNodes, ray_nodes
from tests.cluster.noting import notes, seconds_of
from tests.servers.made_up_hub import MadeUpHub
from tests.servers.paced_hub import PacedHub

_NETWORK_BOUND = PaperModel("bound/by-network", "llama", 80, 256, 512, 4, 2, 64, 96, tied=False)
_CPU_BOUND = PaperModel("bound/by-processor", "llama", 24, 512, 3072, 4, 2, 64, 96, tied=False)
_UNIT_SECONDS = 0.5
"""Of reading, where the network is the limit. A unit comes over one connection: it is smaller than a part of the engine."""
_REPEATS = 2


@dataclass(frozen=True)
class _Case:
    """One comparison.

    Attributes:
        model: what is swept.
        regions: how its mismatched regions are computed, which is what takes the processor.
        rate: bytes a second of a connection to the Hub; None for as many as it can send.
        at_least: how many times as fast two workers must be.
    """

    model: PaperModel
    regions: str
    rate: int | None
    at_least: float


def _unit_bytes(model: PaperModel) -> int:
    return 3 * 2 * model.d_model * model.d_mlp


_CASES = {
    "network-bound": _Case(_NETWORK_BOUND, "none", int(_unit_bytes(_NETWORK_BOUND) / _UNIT_SECONDS), 1.7),
    "CPU-bound": _Case(_CPU_BOUND, "exact", None, 1.0),
}


def run() -> list[Ratio]:
    """The ratios of this benchmark."""
    with ray_nodes(2) as cluster, TemporaryDirectory() as scratch:
        return [_faster(name, case, cluster, Path(scratch)) for name, case in _CASES.items()]


def _faster(name: str, case: _Case, cluster: RayNodes, scratch: Path) -> Ratio:
    best = dict.fromkeys((1, 2), float("inf"))
    shares: list[int] = []
    with PacedHub(case.rate) if case.rate else MadeUpHub() as hub:
        hub.add_made_up(case.model.name, case.model.config, case.model.tensors())
        for repeat in range(_REPEATS):
            for workers in best:
                store = scratch / f"{name}-{repeat}-{workers}"
                overrides = [f"models.refs=[{case.model.name}]", f"profile.regions={case.regions}"]
                overrides += [f"cluster.workers={workers}"]
                environment = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(scratch / "hf")}
                sweep_on(cluster, "tests.cluster.noting:NotingActor", store, *overrides, environment=environment)
                noted = notes(store)
                if len(noted) != case.model.layers:
                    raise RuntimeError(f"{name}: {len(noted)} units instead of {case.model.layers}")
                best[workers] = min(best[workers], seconds_of(noted))
                nodes = [note.node for note in noted]
                shares = sorted(nodes.count(node) for node in set(nodes))
    detail = f"{case.model.layers} units in {best[1]:.1f} s and {best[2]:.1f} s; {' + '.join(map(str, shares))} by node"
    return Ratio(f"two nodes / one, {name}", best[1] / best[2], "x", case.at_least, detail, at_least=True)
