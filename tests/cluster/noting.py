"""Workers that note each unit they did, and where and when, in a file beside the store."""

import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import ray

from gated_ray.cluster.units import Unit
from gated_ray.cluster.worker import Phases, Worker
from gated_ray.settings import ProfileSettings, StoreSettings


@dataclass(frozen=True)
class Note:
    """One unit that one worker did.

    Attributes:
        node: Ray's id of the worker's node.
        pid: the worker's process.
        unit: model and the unit's id.
        began, ended: seconds since 1970.
    """

    node: str
    pid: int
    unit: str
    began: float
    ended: float


def notes_file(store: str) -> Path:
    """Beside a folder; what goes elsewhere is not noted."""
    return Path(os.devnull) if "://" in store else Path(f"{store}.notes")


def notes(store: Path) -> Sequence[Note]:
    """All so far, in the order in which they were done."""
    file = notes_file(str(store))
    return [Note(**json.loads(line)) for line in file.read_text().splitlines()] if file.exists() else []


def seconds_of(noted: Sequence[Note]) -> float:
    """From the beginning of the first unit to the end of the last."""
    return max(note.ended for note in noted) - min(note.began for note in noted)


class NotingWorker(Worker):
    def __init__(self, store: StoreSettings, profile: ProfileSettings, threads: int) -> None:
        super().__init__(store, profile, threads)
        # Appending, a line at a time: several workers write to it.
        self._notes = os.open(notes_file(store.url), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._node = ray.get_runtime_context().get_node_id()

    def _measure(self, unit: Unit) -> Phases:
        began = time.time()
        phases = super()._measure(unit)
        note = Note(self._node, os.getpid(), f"{unit.partition.model}/{unit.key.id}", began, time.time())
        os.write(self._notes, json.dumps(asdict(note)).encode() + b"\n")
        return phases


NotingActor = ray.remote(NotingWorker)
