"""One store behind its front, on a shared cluster, and sweeps that can be killed: where faults are committed."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from gated_ray.settings import StoreSettings
from gated_ray.store.objects import Objects, open_objects
from tests.chaos.cluster import Cluster
from tests.chaos.front import Front
from tests.chaos.models import MAX_UNIT_BYTES
from tests.chaos.processes import Process, process
from tests.chaos.silence import Silence
from tests.jobs.running import wait_until
from tests.servers.hub_faults import Hook
from tests.servers.s3 import S3Server

_REPOSITORY = Path(__file__).parents[2]
_SWEEP_SECONDS = 240
_GONE_SECONDS = 60


class Arena:
    """A store of its own on a shared cluster.

    Attributes:
        cluster: the nodes.
        front: what the sweeps take for the store.
        endings: exit codes that the sweep under way may have, each with what it then must print; 0 alone where nothing ends it.
        afterwards: what is to be done once it is over.
        exits: of the sweeps that are over.
        printed: by each of them.
    """

    def __init__(
        self, cluster: Cluster, server: S3Server, bucket: str, name: str, models: Sequence[Path], scratch: Path
    ) -> None:
        self.cluster = cluster
        self.front = Front(server)
        self.endings: dict[int, str] = {}
        self.afterwards: list[Callable[[], None]] = []
        self.exits: list[int] = []
        self.printed: list[str] = []
        self._server = server
        self._url = f"s3://{bucket}/{name}"
        self._models = models
        self._output = scratch / f"{name}.txt"
        self._driver: subprocess.Popen[bytes] | None = None
        self._drivers: list[Process] = []
        self._refused: list[Hook] = []
        self._silences: dict[Process, Silence] = {}

    @property
    def store(self) -> StoreSettings:
        """The store itself, not behind the front."""
        return StoreSettings(url=self._url, endpoint_url=self._server.endpoint_url)

    @property
    def objects(self) -> Objects:
        return open_objects(self.store)

    def end_driver(self, number: signal.Signals, endings: Mapping[int, str]) -> None:
        """Send a signal to the sweep, which may then end with one of these exit codes and words."""
        assert self._driver is not None
        self.endings.update(endings)
        self._driver.send_signal(number)

    def refuse(self, hook: Hook) -> None:
        """Refuse requests until the sweep is over."""
        self.front.refusals.append(hook)
        self._refused.append(hook)

    def silence(self, worker: Process) -> Silence:
        """The one silence of a worker, whatever it has in hand."""
        return self._silences.setdefault(worker, Silence(self.cluster, worker))

    def sweep(self) -> tuple[int, bool]:
        """One sweep, from its start to its end, and what is to be done then.

        Returns:
            Its exit code, and whether something was to be done.

        Raises:
            AssertionError: it does not end, or not as it may.
        """
        self.tidy()  # what a worker did that outlived its driver
        self.endings.clear()
        with open(self._output, "wb") as file:
            driver = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.sweeping", *self._overrides()],
                env={**os.environ, **self.cluster.nodes.environment, "PYTHONPATH": str(_REPOSITORY)},
                cwd=self._output.parent,
                stdout=file,
                stderr=file,
            )
        self._driver = driver
        if (found := process(driver.pid)) is not None:
            self._drivers.append(found)
        try:
            code = driver.wait(_SWEEP_SECONDS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the sweep does not end; it printed:\n{self._output.read_text()}") from None
        finally:
            driver.kill()
            driver.wait()
            self.printed.append(self._output.read_text())
        self.exits.append(code)
        # Faults that late writes meet with, below, come too late for this sweep.
        expected, printed = dict(self.endings) or {0: ""}, self.printed[-1]
        was_more = bool(self.afterwards)
        self.tidy()
        assert not self.front.errors, self.front.errors
        assert code in expected, f"exit code {code}, not one of {[*expected]}; it printed:\n{printed}"
        assert expected[code] in printed, f"it did not say {expected[code]!r}, but:\n{printed}"
        assert "Traceback" not in printed, printed
        return code, was_more

    def tidy(self) -> None:
        """Let the store answer again, and do what is to be done afterwards."""
        while self._refused:
            self.front.refusals.remove(self._refused.pop())
        while self.afterwards:
            self.afterwards.pop(0)()

    def left_over(self) -> list[Process]:
        """Processes of the sweeps that still live after a while in which they may end."""
        of_sweeps = [*self.front.seen.values(), *self._drivers]
        wait_until(lambda: not any(each.is_alive for each in of_sweeps), _GONE_SECONDS)
        return [each for each in of_sweeps if each.is_alive]

    def _overrides(self) -> list[str]:
        return [
            f"models.refs=[{','.join(map(str, self._models))}]",
            f"store.url={self._url}",
            f"store.endpoint_url={self.front.server.endpoint_url}",
            "profile.regions=none",
            "cluster=cluster",
            f"cluster.address={self.cluster.nodes.address}",
            "cluster.workers=2",
            "cluster.cpus_per_worker=1",
            f"cluster.max_unit_bytes={MAX_UNIT_BYTES}",
        ]


@contextmanager
def arena(
    cluster: Cluster, server: S3Server, bucket: str, name: str, models: Sequence[Path], scratch: Path
) -> Iterator[Arena]:
    """Where one scenario takes place; processes that it leaves are ended, and the cluster mended."""
    made = Arena(cluster, server, bucket, name, models, scratch)
    with made.front:
        try:
            yield made
        finally:
            made.front.points.clear()
            for each in made.front.seen.values():
                each.send(signal.SIGKILL)
            made.tidy()  # nobody is left to wait for, which would hide what went wrong
            cluster.mend()
