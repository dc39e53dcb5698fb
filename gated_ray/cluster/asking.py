"""Asking workers how far they are with what they have in hand: a shard of tokens may take hours."""

from collections.abc import Iterable, Mapping
from time import monotonic
from typing import Any

import ray
from ray.exceptions import RayError

from gated_ray.cluster.tasks import Flight

_EVERY_SECONDS = 5.0


def place_of(work: Any) -> str:
    """What workers call a piece of work by, when they tell how far it is."""
    return f"{work.partition.path}/{work.key.id}"


class Inquiry:
    """Asks now and then, and never waits for an answer."""

    def __init__(self) -> None:
        self._asked = monotonic()
        self._open: dict[Any, ray.ObjectRef[Any]] = {}
        self._done: dict[Any, Mapping[str, int]] = {}

    def under_way(self, flights: Iterable[Flight]) -> int:
        """What is done of the work in these hands, as far as is known.

        An answer may be older than the work: what was taken in since is counted no more.
        """
        work = [(flight.actor, flight.task.work) for flight in flights if flight.task.units]
        actors = {actor for actor, _ in work}
        for actor in [each for each in self._open if each not in actors]:
            del self._open[actor]
        self._take_answers()
        if monotonic() - self._asked >= _EVERY_SECONDS:
            self._asked = monotonic()
            self._open |= {actor: actor.progress.remote() for actor in actors if actor not in self._open}
        self._done = {actor: done for actor, done in self._done.items() if actor in actors}
        return sum(self._done.get(actor, {}).get(place_of(each), 0) for actor, each in work)

    def _take_answers(self) -> None:
        ready, _ = (
            ray.wait(list(self._open.values()), num_returns=len(self._open), timeout=0) if self._open else ([], [])
        )
        for actor in [actor for actor, answer in self._open.items() if answer in ready]:
            try:
                self._done[actor] = ray.get(self._open.pop(actor))
            except RayError:  # its work comes back by itself
                self._done.pop(actor, None)
