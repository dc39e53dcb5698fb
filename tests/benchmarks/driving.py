"""A sweep by workers that commit without measuring, in a process of its own, so that what it uses is the driver's alone.

`drive` starts it, hands it the models and reads its answer.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from gated_ray.cluster import sweep as sweep_module
from gated_ray.cluster.pool import Pool
from gated_ray.cluster.sweep import run_sweep
from gated_ray.settings import ModelsSettings, ProfileSettings, StoreSettings, SweepSettings
from tests.cluster.noting import notes_file
from tests.cluster.trivial import TrivialActor

_EVERY_SECONDS = 0.25


@dataclass(frozen=True)
class Driven:
    """What became of a sweep, and what its driver used.

    Attributes:
        models, units: planned.
        published: models that the store held already.
        left: units that the store lacked.
        failures: messages.
        seconds, cpu: by the clock and of the processor, without the imports.
        memory: units done so far and bytes of resident memory, over time.
    """

    models: int
    units: int
    published: int
    left: int
    failures: Sequence[str]
    seconds: float
    cpu: float
    memory: Sequence[tuple[int, int]] = field(default_factory=list)

    def memory_at(self, units: int) -> float:
        """MB when so many units were done."""
        return next(held for done, held in self.memory if done >= units) / 1e6


def drive(
    store: str, models: Sequence[Path], environment: Mapping[str, str], *, dry: bool = False, endpoint: str = ""
) -> Driven:
    """Sweep with Ray on this machine, or plan alone.

    Raises:
        subprocess.CalledProcessError: the driver failed; it has printed why.
    """
    with tempfile.NamedTemporaryFile("r") as answer:
        mode = "dry" if dry else "wet"
        subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.driving", answer.name, store, endpoint, mode],
            input="\n".join(map(str, models)),
            text=True,
            check=True,
            stdout=subprocess.DEVNULL,
            env={**environment, "RAY_ADDRESS": "local"},
        )
        document = json.load(answer)
    return Driven(**{**document, "memory": [tuple(moment) for moment in document["memory"]]})


class _Sampler:
    """Follows the driver's memory and the units done, which workers note one a line."""

    def __init__(self, store: str) -> None:
        self._notes = notes_file(store)
        self._at = self._done = 0
        self._over = threading.Event()
        self.memory: list[tuple[int, int]] = []
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def start(self) -> None:
        if self._notes.exists():
            self._at = self._notes.stat().st_size
        self._look()
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()
        self._look()

    def _follow(self) -> None:
        while not self._over.wait(_EVERY_SECONDS):
            self._look()

    def _look(self) -> None:
        if self._notes.exists():
            with self._notes.open("rb") as file:
                file.seek(self._at)
                new = file.read()
            self._at += len(new)
            self._done += new.count(b"\n")
        self.memory.append((self._done, resident()))


def resident() -> int:
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _main(answer: str, store: str, endpoint: str, mode: str) -> None:
    models = sys.stdin.read().splitlines()
    settings = SweepSettings(
        models=ModelsSettings(refs=models),
        store=StoreSettings(url=store, endpoint_url=endpoint or None),
        profile=ProfileSettings(regions="none"),
        dry_run=mode == "dry",
    )
    sweep_module.Pool = partial(Pool, actor_class=TrivialActor)
    sampler = _Sampler(store)
    sampler.start()
    began, began_cpu = time.monotonic(), time.process_time()
    result = run_sweep(settings)
    seconds, cpu = time.monotonic() - began, time.process_time() - began_cpu
    sampler.stop()
    driven = Driven(
        models=len(result.models),
        units=sum(model.units for model in result.models),
        published=sum(model.is_published for model in result.models),
        left=sum(model.units_left for model in result.models),
        failures=[failure.message for failure in result.failures],
        seconds=seconds,
        cpu=cpu,
        memory=sampler.memory,
    )
    Path(answer).write_text(json.dumps(asdict(driven)))


if __name__ == "__main__":
    _main(*sys.argv[1:])
