"""A Ray cluster on this machine that can lose nodes: a head without CPUs and nodes with some, in a process of its own.

Apart, because a process keeps the token of the first Ray that it meets, and a test session has a Ray already; and because
a raylet that was killed must be reaped by who started it, or its workers live on.
"""

import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_REPOSITORY = Path(__file__).parents[2]
_STOP_SECONDS = 60


@dataclass(frozen=True)
class RayNode:
    """A node with CPUs."""

    number: int
    """From 0, in the order that they were added."""
    raylet: int
    """Process id; the node's workers are its children."""


class RayNodes:
    """A running cluster.

    Attributes:
        address: of the head, as ``host:port``.
        dashboard: URL of the dashboard, which takes submitted jobs; empty where there is none.
        environment: what a process needs to join the cluster; add ``RAY_ADDRESS`` where it is to be found by that.
    """

    def __init__(self, process: "subprocess.Popen[str]", environment: Mapping[str, str]) -> None:
        self._process = process
        started = self._answer()
        self.address: str = started["address"]
        self.dashboard: str = started["dashboard"]
        self.environment = dict(environment)
        self.nodes: list[RayNode] = []
        """Those that live."""

    def add(self, cpus: int = 1) -> RayNode:
        """Start a node and wait until the cluster knows it."""
        node = RayNode(**self._ask("add", cpus))
        self.nodes.append(node)
        return node

    def remove(self, node: RayNode) -> None:
        """SIGKILL everything of a node, as a machine does that is switched off."""
        self.nodes.remove(node)
        self._ask("remove", node.number)

    def _ask(self, what: str, *arguments: Any) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([what, *arguments]) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the cluster's process ended; it has printed why"
        return json.loads(line)


@contextmanager
def ray_nodes(
    nodes: int = 2, cpus: int = 1, *, environment: Mapping[str, str] | None = None, dashboard: bool = False
) -> Iterator[RayNodes]:
    """A head without CPUs and so many nodes.

    Args:
        nodes: to begin with.
        cpus: of each.
        environment: what their workers shall find in theirs, such as the keys of a store.
        dashboard: start it too, for ``ray job submit``; needs seconds more.
    """
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    with tempfile.TemporaryDirectory(prefix="rn-", ignore_cleanup_errors=True) as scratch:
        # Ray notes the newest cluster's address in its temporary folder, where others would find it.
        own = {"RAY_TMPDIR": scratch, "PYTHONPATH": str(_REPOSITORY)}
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.cluster.nodes", *(["dashboard"] if dashboard else [])],
            env={**_without_address(), **(environment or {}), **token, **own},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ray's reaper ends the whole process group when its parent is gone
        )
        try:
            cluster = RayNodes(process, token)
            for _ in range(nodes):
                cluster.add(cpus)
            yield cluster
        finally:
            process.communicate(timeout=_STOP_SECONDS)  # the end of its input is the word to stop


def _without_address() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}


def _serve(dashboard: bool) -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what Ray prints is no answer
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 0,
            "include_dashboard": dashboard,
            "dashboard_port": 0,
            "dashboard_agent_listen_port": 0,  # where another Ray has the usual one, the agent would take no jobs
        },
    )
    nodes = []
    url = f"http://{cluster.webui_url}" if dashboard else ""
    answers.write(json.dumps({"address": cluster.address, "dashboard": url}) + "\n")
    for line in sys.stdin:
        what, argument = json.loads(line)
        if what == "add":
            nodes.append(cluster.add_node(num_cpus=argument))
            raylet = nodes[-1].all_processes["raylet"][0].process.pid
            answers.write(json.dumps({"number": len(nodes) - 1, "raylet": raylet}) + "\n")
        else:
            cluster.remove_node(nodes[argument], allow_graceful=False)
            answers.write("null\n")
    cluster.shutdown()


if __name__ == "__main__":
    _serve("dashboard" in sys.argv)
