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
        """Switch off the node of a worker, which must live; the last one is replaced first."""
        with self._lock:
            node = self.nodes.of_worker(worker.pid)
            if len(self.nodes.nodes) - len(self._silent) == 1:
                self.nodes.add()
            self.nodes.remove(node)

    def add(self) -> None:
        with self._lock:
            self.nodes.add()

    def cut_off(self, worker: Process) -> RayNode:
        """Stop a worker, which must live, and its node's raylet: as behind a cut cable, nothing of them is heard.

        A new node takes its place.
        """
        with self._lock:
            node = self.nodes.of_worker(worker.pid)
            os.kill(node.raylet, signal.SIGSTOP)
            worker.send(signal.SIGSTOP)
            self._silent.append(node)
            self.nodes.add()
            return node

    def remove(self, node: RayNode) -> None:
        """Switch off a node that is cut off."""
        with self._lock:
            self._silent.remove(node)
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
