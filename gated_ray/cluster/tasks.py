"""What the driver keeps about each unit and publication while it waits and while it is on its way."""

import heapq
import math
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from gated_ray.cluster.plan import ModelPlan
from gated_ray.cluster.pool import Slot
from gated_ray.cluster.work import Publishing, Work

_FIRST_PAUSE_SECONDS = 0.5
_MOST_PAUSE_SECONDS = 30.0
_PUBLISHING_SECONDS = 3600.0


@dataclass(eq=False)
class Task:
    """A unit or a publication on its way.

    Attributes:
        order: place of its model among those asked for.
        attempts: how often it was tried and failed.
        suspect: a worker died with it in hand; it runs alone from then on, so that only the guilty unit is blamed again.
        not_before: when it may be tried again.
    """

    model: ModelPlan
    work: Work | Publishing
    order: int = 0
    attempts: int = 0
    suspect: bool = False
    not_before: float = 0.0

    @property
    def units(self) -> int:
        return int(not isinstance(self.work, Publishing))

    @property
    def size(self) -> int:
        return 0 if isinstance(self.work, Publishing) else self.work.size

    @property
    def place(self) -> str:
        return "publishing" if isinstance(self.work, Publishing) else self.work.place

    @property
    def most_seconds(self) -> float:
        """A worker that takes longer neither dies nor answers any more."""
        return _PUBLISHING_SECONDS if isinstance(self.work, Publishing) else self.work.most_seconds

    def pause(self) -> None:
        """Wait before the next try, twice as long after each that failed."""
        seconds = _FIRST_PAUSE_SECONDS * 2 ** min(self.attempts, 10)
        self.not_before = monotonic() + min(seconds, _MOST_PAUSE_SECONDS)


@dataclass(eq=False)
class Flight:
    """A task in a worker's hands.

    Attributes:
        actor: the one that the slot had when it was handed out.
        shared: whether the worker had another task in hand meanwhile.
        since: when it was handed out.
    """

    task: Task
    slot: Slot
    actor: Any
    shared: bool
    since: float = field(default_factory=monotonic)


@dataclass
class Agenda:
    """Tasks that wait: publications first, then the largest units of whatever model; as many as there may be, at the same cost.

    Of equal ones, those of the model that was asked for first, so that models are finished one after another.
    """

    _ready: list[tuple[float, int, int, Task]] = field(default_factory=list)
    _paused: list[tuple[float, int, Task]] = field(default_factory=list)
    _added: int = 0

    def __len__(self) -> int:
        return len(self._ready) + len(self._paused)

    def add(self, task: Task) -> None:
        self._added += 1
        if task.not_before > monotonic():
            heapq.heappush(self._paused, (task.not_before, self._added, task))
        else:
            rank = -math.inf if isinstance(task.work, Publishing) else -task.work.rank
            heapq.heappush(self._ready, (rank, task.order, self._added, task))

    def first(self) -> Task | None:
        """The one whose turn it is, which stays; None where all must pause or there is none."""
        now = monotonic()
        while self._paused and self._paused[0][0] <= now:
            self.add(heapq.heappop(self._paused)[2])
        return self._ready[0][-1] if self._ready else None

    def take(self) -> Task:
        """Remove and return what `first` returned."""
        return heapq.heappop(self._ready)[-1]

    def clear(self) -> list[Task]:
        """Remove and return all."""
        tasks = [entry[-1] for entry in sorted(self._ready)] + [entry[-1] for entry in self._paused]
        self._ready.clear()
        self._paused.clear()
        return tasks
