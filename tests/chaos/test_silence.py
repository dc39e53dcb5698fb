"""Zombies are staged as they are: one worker, however many units it has in hand, and one node."""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from tests.chaos import silence as silence_module
from tests.chaos.cluster import Cluster
from tests.chaos.processes import Process, process
from tests.chaos.silence import Silence
from tests.cluster.nodes import RayNode, RayNodes
from tests.jobs.running import wait_until

_SECONDS = 20
_RAYLET = "sleep 600 & echo $!; wait"


class MadeUpNodes:
    """Nodes of one worker, which does nothing."""

    def __init__(self) -> None:
        self.nodes: list[RayNode] = []
        self.workers: list[Process] = []
        self._raylets: list[subprocess.Popen[str]] = []

    def add(self) -> RayNode:
        raylet = subprocess.Popen(["sh", "-c", _RAYLET], stdout=subprocess.PIPE, text=True, start_new_session=True)
        assert raylet.stdout is not None
        worker = process(int(raylet.stdout.readline()))
        assert worker is not None
        self._raylets.append(raylet)
        self.workers.append(worker)
        self.nodes.append(RayNode(len(self.nodes), raylet.pid))
        return self.nodes[-1]

    def remove(self, node: RayNode) -> None:
        self.nodes.remove(node)
        os.kill(node.raylet, signal.SIGKILL)

    def close(self) -> None:
        for raylet, worker in zip(self._raylets, self.workers, strict=True):
            worker.send(signal.SIGKILL)
            raylet.kill()
            raylet.communicate()


@pytest.fixture
def nodes() -> Iterator[MadeUpNodes]:
    made = MadeUpNodes()
    try:
        made.add()
        yield made
    finally:
        made.close()


@pytest.fixture
def cluster(nodes: MadeUpNodes) -> Cluster:
    return Cluster(cast(RayNodes, nodes))


@pytest.fixture
def silence(nodes: MadeUpNodes, cluster: Cluster) -> Silence:
    return Silence(cluster, nodes.workers[0])


def is_stopped(worker: Process) -> bool:
    return Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def test_what_a_worker_has_in_hand_falls_silent_with_it_and_goes_on_with_it(
    nodes: MadeUpNodes, silence: Silence
) -> None:
    (node,), (worker,) = nodes.nodes, nodes.workers
    assert silence.fall("one")
    assert silence.fall("other")
    assert wait_until(lambda: is_stopped(worker), _SECONDS)
    assert len(nodes.nodes) == 2, "one node takes the place of the silent one"

    end = threading.Thread(target=silence.end)
    end.start()
    silence.wait()
    silence.finished("one")
    end.join(0.1)
    assert node in nodes.nodes, "the other unit was still in hand"
    silence.finished("other")
    end.join(_SECONDS)
    assert node not in nodes.nodes


def test_who_has_gone_on_is_not_stopped_again(nodes: MadeUpNodes, silence: Silence) -> None:
    assert silence.fall("one")
    silence.finished("one")
    silence.end()
    assert not silence.fall("other")
    assert not is_stopped(nodes.workers[0])
    silence.end()


def test_a_node_that_is_cut_off_can_be_switched_off(nodes: MadeUpNodes, cluster: Cluster, silence: Silence) -> None:
    node, worker = nodes.nodes[0], nodes.workers[0]
    assert silence.fall("one")
    cluster.lose(worker)
    assert wait_until(lambda: not worker.is_alive, _SECONDS)
    assert node not in nodes.nodes
    silence.end()


def test_the_last_node_that_is_heard_of_is_replaced_before_it_is_switched_off(
    nodes: MadeUpNodes, cluster: Cluster, silence: Silence
) -> None:
    assert silence.fall("one")
    silent, heard = nodes.nodes
    cluster.lose(nodes.workers[1])
    assert heard not in nodes.nodes
    assert len(nodes.nodes) == 2
    assert silent in nodes.nodes


def test_what_a_zombie_does_not_finish_is_named(silence: Silence, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silence_module, "_PATIENCE_SECONDS", 0.1)
    assert silence.fall("one")
    assert silence.fall("other")
    silence.finished("one")
    with pytest.raises(AssertionError, match="did not finish other"):
        silence.end()
