"""Workers that fall silent in the middle of their work, and go on with it later: zombies."""

import signal
import threading

from tests.chaos.cluster import Cluster
from tests.chaos.processes import Process
from tests.cluster.nodes import RayNode
from tests.jobs.running import wait_until

_PATIENCE_SECONDS = 120


class Silence:
    """Of one worker, whatever it has in hand: its units fall silent one by one, and go on together.

    It ends once: who has gone on is not stopped again, because its node counts as dead and all that it writes is late anyway.
    """

    def __init__(self, cluster: Cluster, worker: Process) -> None:
        self._cluster = cluster
        self._worker = worker
        self._node: RayNode | None = None
        self._in_hand: set[str] = set()
        """What it must be heard to finish, once it has gone on."""
        self._over = threading.Event()
        self._lock = threading.Lock()

    def fall(self, unit: str) -> bool:
        """Stop the worker, if it is not stopped yet, with this in hand; whether it is silent now."""
        with self._lock:
            if self._over.is_set() or not self._worker.is_alive:
                return False
            if not self._in_hand:
                self._node = self._cluster.cut_off(self._worker)
            self._in_hand.add(unit)
            return True

    def wait(self) -> None:
        """Hold a request of the worker until it goes on."""
        self._over.wait(3 * _PATIENCE_SECONDS)

    def finished(self, unit: str) -> None:
        """The worker is heard to be done with something."""
        self._in_hand.discard(unit)

    def end(self) -> None:
        """Let the worker go on, and switch off its node when it has finished what it had in hand. Nothing, the second time.

        Raises:
            AssertionError: it lives and does not finish.
        """
        with self._lock:
            if self._over.is_set():
                return
            self._worker.send(signal.SIGCONT)
            self._over.set()
        came = wait_until(lambda: not self._in_hand or not self._worker.is_alive, _PATIENCE_SECONDS)
        if self._node is not None:
            self._cluster.remove(self._node)
        assert came, f"the zombie went on and did not finish {', '.join(sorted(self._in_hand))}"
