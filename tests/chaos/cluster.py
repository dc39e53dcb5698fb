"""The nodes of a cluster, for the threads in which faults happen."""

import os
import signal
import threading

from tests.chaos.processes import Process
from tests.cluster.nodes import RayNode, RayNodes

NODES = 2


class Cluster:
    """Nodes of one CPU, which come and go."""

    def __init__(self, nodes: RayNodes) -> None:
        self.nodes = nodes
        self._silent: list[RayNode] = []
        """Those that are cut off."""
        self._lock = threading.RLock()

    def lose(self, worker: Process) -> None:
        """Switch off the node of a worker; the last one that is heard of is replaced first. Nothing happens where it is gone."""
        with self._lock:
            node = self._of_worker(worker)
            if node is None:
                return
            if node not in self._silent and len(self.nodes.nodes) - len(self._silent) == 1:
                self.nodes.add()
            self.remove(node)
            worker.send(signal.SIGKILL)  # one that is stopped does not see that its raylet is gone

    def add(self) -> None:
        with self._lock:
            self.nodes.add()

    def cut_off(self, worker: Process) -> RayNode | None:
        """Stop a worker and its node's raylet: as behind a cut cable, nothing of them is heard. A new node takes its place.

        Returns:
            The node, None where it is gone.
        """
        worker.send(signal.SIGSTOP)  # at once: who has the lock may be starting a node, which takes seconds
        with self._lock:
            node = self._of_worker(worker)
            if node is not None:
                os.kill(node.raylet, signal.SIGSTOP)
                self._silent.append(node)
                self.nodes.add()
            return node

    def remove(self, node: RayNode) -> None:
        """Switch off a node. Nothing happens where it is gone."""
        with self._lock:
            if node in self._silent:
                self._silent.remove(node)
            if node in self.nodes.nodes:
                self.nodes.remove(node)

    def mend(self) -> None:
        """As many nodes as in the beginning."""
        with self._lock:
            for node in list(self._silent):
                self.remove(node)
            while len(self.nodes.nodes) < NODES:
                self.nodes.add()
            while len(self.nodes.nodes) > NODES:
                self.nodes.remove(self.nodes.nodes[0])

    def _of_worker(self, worker: Process) -> RayNode | None:
        parent = worker.parent
        return next((node for node in self.nodes.nodes if node.raylet == parent), None)
