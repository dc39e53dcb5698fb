"""Workers that fail as a script says.

The script is a file beside the store: for each model and layer (or ``publish``) the faults of its first, second ... try,
a last ``...`` repeating the one before. Every try leaves a file, so that a test can count them whatever died.
"""

import json
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import ray

from gated_ray.cluster.units import Receipt, Unit
from gated_ray.cluster.work import Publishing
from gated_ray.cluster.worker import Phases, Worker
from gated_ray.errors import CheckpointError, StoreError, TransientError
from gated_ray.settings import ProfileSettings, StoreSettings
from gated_ray.store.keys import raw_key

Script = Mapping[str, Mapping[str, Sequence[str]]]
"""Model name, then layer or ``publish``, to faults."""

_PATIENCE_SECONDS = 60


def write_script(store: Path, script: Script) -> None:
    _tries(str(store)).mkdir(exist_ok=True)
    _script_file(str(store)).write_text(json.dumps(script))


def tries(store: Path) -> Counter[str]:
    """How often each ``model/place`` was tried."""
    return Counter(path.name.rsplit("#", 1)[0].replace("@", "/") for path in _tries(str(store)).iterdir())


def in_hand(store: Path, place: str) -> list[int]:
    """For each try at ``model/place``: how many units its worker had in hand when it began, this one included.

    0 for a try that was killed before it could say.
    """
    found = sorted(_tries(str(store)).glob(f"{place.replace('/', '@')}#*"))
    return [int(path.read_text() or 0) for path in found]


class ScriptedWorker(Worker):
    def __init__(self, store: StoreSettings, profile: ProfileSettings, threads: int) -> None:
        super().__init__(store, profile, threads)
        self._url = store.url
        self._script: Script = json.loads(_script_file(store.url).read_text())
        self._in_hand = 0
        self._begun = 0
        """Those in hand whose try is counted: before, to die would leave a try that nobody knows of."""
        self._changed = threading.Condition()

    def _measure(self, unit: Unit) -> Phases:
        with self._changed:
            self._in_hand += 1
        fault = self._next_fault(unit.partition.model, str(unit.key.layer))
        with self._changed:
            self._begun += 1
            self._changed.notify_all()
        try:
            self._act(fault)
            return super()._measure(unit)
        finally:
            with self._changed:
                self._in_hand -= 1
                self._begun -= 1

    def publish(self, task: Publishing) -> Receipt:
        if self._next_fault(task.partition.model, "publish") == "damage a unit":
            (Path(self._url) / raw_key("neurons", task.partition, task.units[1])).write_bytes(b"garbage")
        return super().publish(task)

    def _next_fault(self, model: str, place: str) -> str:
        faults = self._script.get(model, {}).get(place, ())
        number = self._count_try(model, place)
        if number >= len(faults) or faults[number] == "...":
            return faults[-2] if faults and faults[-1] == "..." else ""
        return faults[number]

    def _count_try(self, model: str, place: str) -> int:
        """The number of this try, from 0."""
        number = 0
        while True:
            try:
                with open(_tries(self._url) / f"{model}@{place}#{number}", "x") as file:
                    file.write(str(self._in_hand))
                return number
            except FileExistsError:
                number += 1

    def _act(self, fault: str) -> None:
        acts: dict[str, Callable[[], object]] = {
            "": lambda: None,
            "killed": _die,
            "exit": lambda: sys.exit(3),
            "stuck": lambda: os.kill(os.getpid(), signal.SIGSTOP),
            "killed beside another": self._die_beside_another,
            "beside one that is killed": self._wait_for_death,
            "transient": lambda: _raise(TransientError("the network faltered")),
            "input": lambda: _raise(CheckpointError("the shard changed")),
            "store": lambda: _raise(StoreError("the store is full")),
            "bug": lambda: _raise(ValueError("nobody foresaw\nthis")),
        }
        acts[fault]()

    def _die_beside_another(self) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._begun > 1, _PATIENCE_SECONDS)
        _die()

    def _wait_for_death(self) -> None:
        assert threading.Event().wait(_PATIENCE_SECONDS), "nobody killed this worker"


class WorkerThatCannotStart(Worker):
    def __init__(self, store: StoreSettings, profile: ProfileSettings, threads: int) -> None:
        raise ValueError("no such library here")


class WorkerThatCrashesAtStart(Worker):
    def __init__(self, store: StoreSettings, profile: ProfileSettings, threads: int) -> None:
        _die()


ScriptedActor = ray.remote(ScriptedWorker)
ActorThatCannotStart = ray.remote(WorkerThatCannotStart)
ActorThatCrashesAtStart = ray.remote(WorkerThatCrashesAtStart)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _raise(error: Exception) -> None:
    raise error


def _script_file(store: str) -> Path:
    return Path(f"{store}.script.json")


def _tries(store: str) -> Path:
    return Path(f"{store}.tries")
