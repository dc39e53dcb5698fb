"""What the driver keeps about each unit and publication while it is on its way."""

import time
from dataclasses import dataclass
from typing import Any

from gated_ray.cluster.plan import ModelPlan
from gated_ray.cluster.pool import Slot
from gated_ray.cluster.units import Publishing, Unit

_FIRST_PAUSE_SECONDS = 0.5
_MOST_PAUSE_SECONDS = 30.0


@dataclass(eq=False)
class Task:
    """A unit or a publication on its way.

    Attributes:
        attempts: how often it was tried and failed.
        suspect: a worker died with it in hand; it runs alone from then on, so that only the guilty unit is blamed again.
        not_before: when it may be tried again.
    """

    model: ModelPlan
    work: Unit | Publishing
    attempts: int = 0
    suspect: bool = False
    not_before: float = 0.0

    @property
    def bytes(self) -> int:
        return self.work.bytes if isinstance(self.work, Unit) else 0

    @property
    def place(self) -> str:
        if isinstance(self.work, Publishing):
            return "publishing"
        key = self.work.key
        experts = f", experts {key.first} to {key.last}" if key.last else ""
        return f"layer {key.layer} ({key.component}{experts})"

    def pause(self) -> None:
        """Wait before the next try, twice as long after each that failed."""
        seconds = _FIRST_PAUSE_SECONDS * 2 ** min(self.attempts, 10)
        self.not_before = time.monotonic() + min(seconds, _MOST_PAUSE_SECONDS)


@dataclass(eq=False)
class Flight:
    """A task in a worker's hands.

    Attributes:
        actor: the one that the slot had when it was handed out.
        shared: whether the worker had another task in hand meanwhile.
    """

    task: Task
    slot: Slot
    actor: Any
    shared: bool
