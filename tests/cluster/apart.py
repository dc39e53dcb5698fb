"""Sweeps whose driver is a process of its own: on a cluster of several nodes, and with workers of the tests."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.cluster.nodes import RayNodes

_SECONDS = 600


def sweep_on(
    cluster: RayNodes, actor: str, store: Path, *overrides: str, environment: Mapping[str, str] | None = None
) -> None:
    """``python -m jobs.sweep store.url=STORE OVERRIDES`` on a cluster.

    Args:
        actor: of the workers, as ``module:name``.
        environment: of the driver, besides what it needs to find the cluster.

    Raises:
        AssertionError: the job failed; the message has what it printed.
    """
    done = subprocess.run(
        [sys.executable, "-m", "tests.cluster.sweep_with", actor, f"store.url={store}", *overrides],
        env={**os.environ, **cluster.environment, "RAY_ADDRESS": cluster.address, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_SECONDS,
    )
    assert done.returncode == 0, done.stdout
