"""How large a worker is, and how many of them there is room for."""

import sys
from dataclasses import dataclass, replace

import ray

from gated_ray.cluster.session import ray_address
from gated_ray.errors import InputError
from gated_ray.settings import ClusterSettings

_MOST_OF_A_NODE = 0.9


@dataclass(frozen=True)
class WorkerSize:
    """What one worker is promised.

    Attributes:
        cpus: CPUs, and threads to compute with.
        gpus: GPUs, or a share of one.
        memory: bytes.
    """

    cpus: int
    gpus: float
    memory: int

    def __str__(self) -> str:
        gpus = f", {self.gpus:g} GPUs" if self.gpus else ""
        return f"{self.cpus} CPUs{gpus} and {self.memory / 1e9:.1f} GB of memory"


def worker_size(cluster: ClusterSettings, memory: int) -> WorkerSize:
    """The size of a worker that needs this memory. It is never more than a node has: the sweep is then slower, not stuck.

    Args:
        cluster: of the sweep.
        memory: bytes, of `Need`.
    """
    nodes = _nodes()
    gpus = cluster.gpus_per_worker
    if gpus is None:
        gpus = float(any(node.get("GPU", 0) >= 1 for node in nodes))
    # Not a head without work, which is small: the nodes that workers run on may not have come yet.
    least = {"CPU": cluster.cpus_per_worker, "GPU": gpus}
    able = [node.get("memory", 0.0) for node in nodes if all(node.get(name, 0.0) >= n for name, n in least.items())]
    return WorkerSize(cluster.cpus_per_worker, gpus, int(min(memory, _MOST_OF_A_NODE * max(able)) if able else memory))


def worker_count(cluster: ClusterSettings, size: WorkerSize) -> int:
    """As many workers as asked for, or as there is room for now.

    A cluster may grow, so what it is asked for is left to it; this machine will not.

    Raises:
        InputError: this machine has no room for one.
    """
    room = room_for(size)
    if ray_address(cluster.address) != "local":
        return cluster.workers or max(1, room)
    if room == 0:
        has = max(_nodes(), key=lambda node: node.get("CPU", 0))
        raise InputError(
            f"a worker needs {size}, but this machine has {has.get('CPU', 0):g} CPUs and {has.get('GPU', 0):g} GPUs; "
            "lower cluster.cpus_per_worker or cluster.gpus_per_worker"
        )
    if cluster.workers is not None and cluster.workers > room:
        print(
            f"cluster.workers={cluster.workers}: there is room for {room} here, each with {size}; using {room}",
            file=sys.stderr,
        )
    return min(cluster.workers or room, room)


def with_all_cpus(cluster: ClusterSettings, memory: int, tasks: int | None) -> ClusterSettings:
    """Settings that give each worker more CPUs, where memory or tasks do not suffice for as many workers as there are CPUs.

    Args:
        cluster: of the job.
        memory: bytes that a worker needs.
        tasks: how many there are to do, where that is known.
    """
    size = worker_size(cluster, memory)
    room = room_for(size)
    workers = min(room, cluster.workers or room, room if tasks is None else tasks)
    if size.gpus or not workers:
        return cluster
    cpus = sum(int(node.get("CPU", 0)) for node in _nodes() if _fitting(node, size))
    most = max(int(node.get("CPU", 0)) for node in _nodes())
    return replace(cluster, cpus_per_worker=max(cluster.cpus_per_worker, min(cpus // workers, most)))


def room_for(size: WorkerSize) -> int:
    """Workers that the nodes that are there now could hold, if they did nothing else."""
    return sum(_fitting(node, size) for node in _nodes())


def _nodes() -> list[dict[str, float]]:
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _fitting(node: dict[str, float], size: WorkerSize) -> int:
    needs = {"CPU": size.cpus, "GPU": size.gpus, "memory": size.memory}
    return int(min(node.get(name, 0.0) // need for name, need in needs.items() if need))
