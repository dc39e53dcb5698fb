"""The paper's sweep at full size: its 12 gated models at their true shapes, over HTTP, by ``jobs.sweep`` with local Ray.

84 GB of weights that a server on loopback makes up (`tests.servers.made_up_hub`). Takes minutes, so not among the benchmarks
that run by default: ``python -m tests.benchmarks full_size``; ``--record`` writes its figures to RESULTS.md.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from gated_ray.store.catalogue import open_store
from tests.benchmarks.measure import Ratio
from tests.benchmarks.processes import KINDS, MARK, Watch, cpu_seconds, new_mark
from tests.benchmarks.usage import own_environment
from tests.checkpoints.paper_models import PAPER_MODELS
from tests.servers.apart import hub_apart
from tests.servers.made_up_hub import paper_hub

_WORKER_GB = 3.0
_DRIVER_GROWTH_MB = 64.0
"""From a tenth of the bytes to the end: what it keeps of a unit that is done, 340 of them, is less than 200 kB each."""
_EVERY_SECONDS = 0.25
_SMALL = 0.01
"""Share of the bytes that planning may read."""


@dataclass(frozen=True)
class _Sent:
    """Bytes that the server had sent at some time of `time.monotonic`."""

    time: float
    bytes: int


@dataclass(frozen=True)
class _Run:
    """One sweep: when it ran, what it used, and what the server had sent meanwhile."""

    started: float
    ended: float
    watch: Watch
    sent: Sequence[_Sent]
    server_cpu: float

    def time_of(self, share: float) -> float:
        """When this share of all bytes had been sent."""
        return next(each.time for each in self.sent if each.bytes >= share * self.sent[-1].bytes)

    def driver_at(self, share: float) -> int:
        """The driver's memory at that time, in bytes."""
        moment = self.time_of(share)
        return min(self.watch.moments, key=lambda each: abs(each.time - moment)).driver


def run(names: Sequence[str] = tuple(PAPER_MODELS)) -> list[Ratio]:
    """The ratios of this benchmark, for some of the models or for all."""
    with TemporaryDirectory() as scratch:
        swept = _sweep(names, Path(scratch))
        store = open_store(f"{scratch}/store")
        layers, models = store.layers(), store.models()
        neurons = store.neurons().count_rows()
    expected = sum(PAPER_MODELS[name].neurons for name in names)
    lacking = sum(models["neurons_without_cosine"].to_pylist())
    if neurons != expected or lacking:
        raise RuntimeError(f"{neurons} neurons, {lacking} of them without a cosine; expected {expected} and none")
    return [*_speed(swept, sum(layers["bytes_read"].to_pylist()), layers.num_rows, neurons), *_memory(swept)]


def _sweep(names: Sequence[str], scratch: Path) -> _Run:
    with hub_apart(paper_hub, list(names)) as hub:
        mark = new_mark()
        environment = own_environment(scratch, HF_ENDPOINT=hub.endpoint, **{MARK: mark})
        command = [sys.executable, "-m", "jobs.sweep", f"models.refs=[{','.join(names)}]"]
        command += [f"store.url={scratch}/store", "profile=paper"]
        sent: list[_Sent] = []
        before, started = cpu_seconds(hub.pid), time.monotonic()
        process = subprocess.Popen(command, env=environment, stdout=sys.stderr)
        try:
            with Watch(process.pid, mark) as watch:
                while process.poll() is None:
                    sent.append(_Sent(time.monotonic(), hub.ask("bytes_sent")))
                    time.sleep(_EVERY_SECONDS)
                ended = time.monotonic()
        finally:
            process.send_signal(signal.SIGINT)  # where this was interrupted: it then ends its Ray too
            process.wait()
        if process.returncode:
            raise RuntimeError(f"the sweep failed with {process.returncode}")
        return _Run(started, ended, watch, sent, cpu_seconds(hub.pid) - before)


def _speed(swept: _Run, needed: int, units: int, neurons: int) -> list[Ratio]:
    """Figures of time and CPU; `needed` bytes of weights in so many `units`."""
    seconds, gb, watch = swept.ended - swept.started, needed / 1e9, swept.watch
    planned, read = swept.time_of(_SMALL) - swept.started, swept.time_of(1.0) - swept.started
    cpu = {kind: watch.cpu(kind) for kind in KINDS}
    parts = ", ".join(f"{kind} {used / gb:.2f}" for kind, used in cpu.items())
    phases = f"a hundredth of the bytes after {planned:.0f} s, all of them after {read:.0f} s"
    sent = swept.sent[-1].bytes
    return [
        Ratio("full size, sweep", seconds, "s", None, f"{units} units, {neurons:,} neurons; {phases}"),
        Ratio(
            "full size, weights",
            gb / seconds,
            "GB/s",
            None,
            f"{gb:.1f} GB, {gb / (read - planned):.2f} GB/s while reading",
        ),
        Ratio(
            "full size, CPU", sum(cpu.values()) / gb, "s/GB", None, f"{parts}; the server {swept.server_cpu / gb:.2f}"
        ),
        Ratio("full size, bytes sent / bytes needed", sent / needed, "x", 1.02, f"{sent / 1e9:.2f} GB sent"),
    ]


def _memory(swept: _Run) -> list[Ratio]:
    workers = [used.peak / 1e9 for used in swept.watch.of_kind("worker")]
    driver = max(used.peak for used in swept.watch.of_kind("driver")) / 1e6
    at = {share: swept.driver_at(share) / 1e6 for share in (0.1, 0.5, 1.0)}
    course = ", ".join(f"{memory:.0f} MB at {share:.0%}" for share, memory in at.items())
    each = ", ".join(f"{worker:.2f}" for worker in workers)
    return [
        Ratio(
            "full size, largest worker", max(workers), "GB", _WORKER_GB, f"peaks of {len(workers)} workers: {each} GB"
        ),
        Ratio(
            "full size, driver's growth", at[1.0] - at[0.1], "MB", _DRIVER_GROWTH_MB, f"{course}; peak {driver:.0f} MB"
        ),
    ]
