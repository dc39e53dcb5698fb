"""What all scenarios share: the cluster, both S3 servers, the models, and what a sweep leaves that nothing happens to."""

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from gated_ray.store.catalogue import open_store
from tests.chaos.arena import arena
from tests.chaos.cluster import NODES, Cluster
from tests.chaos.models import MODELS, UNITS, write_models
from tests.chaos.scenarios import Armed, Outcome, play
from tests.chaos.soundness import Holding, holding
from tests.cluster.nodes import ray_nodes
from tests.servers.s3 import S3Server, moto_server, nanio_server

BUCKET = "chaos"

_NOTICE_DEATH = {
    "RAY_health_check_initial_delay_ms": "2000",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "3",
    "RAY_worker_niceness": "0",
}
"""A node that falls silent is dead to the others after 8 seconds, not after a minute."""


@dataclass(frozen=True)
class Ground:
    cluster: Cluster
    servers: Mapping[str, S3Server]
    models: list[Path]
    scratch: Path
    expected: Holding
    neurons: int

    def play(self, name: str, server: str, armed: tuple[Armed, ...], *, all_happen: bool = True) -> Outcome:
        """One scenario in a store of its own, of this name; see `scenarios.play`."""
        with arena(
            self.cluster, self.servers[server], BUCKET, re.sub(r"\W+", "-", name), self.models, self.scratch
        ) as made:
            return play(made, armed, self.expected, self.neurons, all_happen=all_happen)


@contextmanager
def ground() -> Iterator[Ground]:
    """Everything started, and one sweep done."""
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        servers = {
            "moto": stack.enter_context(moto_server(checks_keys=False)),
            "nanio": stack.enter_context(nanio_server(scratch / "nanio")),
        }
        for server in servers.values():
            server.make_bucket(BUCKET)
        keys = servers["moto"].environment()
        assert keys == servers["nanio"].environment(), "the workers' keys must do for both servers"
        stack.enter_context(mock.patch.dict(os.environ, keys))
        nodes = stack.enter_context(ray_nodes(NODES, environment={**keys, **_NOTICE_DEATH}))
        cluster, models = Cluster(nodes), write_models(scratch)
        with arena(cluster, servers["moto"], BUCKET, "undisturbed", models, scratch) as made:
            made.sweep()
            assert made.front.arrived["manifest"] == UNITS
            assert made.front.arrived["record"] == MODELS
            neurons = open_store(made.store.url, made.store.endpoint_url).neurons().count_rows()
            yield Ground(cluster, servers, models, scratch, holding(made.objects), neurons)
