"""The worker actors, and what becomes of one that fails."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import ActorUnavailableError, RayError

from gated_ray.cluster.capacity import room_for, worker_count, worker_size
from gated_ray.cluster.work import IN_FLIGHT
from gated_ray.cluster.worker import WorkerActor
from gated_ray.settings import ActivationsSettings, SweepSettings

_REST_SECONDS = 0.5
_MOST_REST_SECONDS = 30.0
_MOST_DEATHS = 3
"""New actors that die before they answer, after which no other is tried: it is not the unit's fault."""
_MOST_DOWN_SECONDS = 600.0
"""How long Ray may take to restart an actor where there is room for it."""
_PROBE_SECONDS = 60.0
"""After which a ping is sent anew: one sent before an actor first ran waits for ever if that actor crashes while it starts."""
_SAY_EVERY_SECONDS = 60.0
_LEAST_GROWTH = 1.25
"""Of a worker's memory, so that models that come in the order of their size do not replace the workers each time."""


@dataclass(eq=False)
class Slot:
    """One actor and what it has in hand.

    It takes units only once it has answered a ping: a call while an actor restarts fails at once, and must not cost a
    unit one of its attempts.
    """

    actor: Any
    probe: ray.ObjectRef[Any] | None = None
    probed: float = 0.0
    healthy: bool = False
    rests: int = 0
    """Failures since it last answered."""
    deaths: int = 0
    """Those of them after which Ray does not restart it."""
    down_since: float = 0.0
    rests_until: float = 0.0
    in_flight: set[ray.ObjectRef[Any]] = field(default_factory=set)
    exclusive: bool = False
    """Has a unit in hand that must run alone."""


class Pool:
    """As many workers as there is room for.

    Args:
        settings: of the sweep.
        memory: bytes that a worker needs; declared, so that Ray does not schedule units together into the out-of-memory
            killer.
        tasks: how many there are to do, where that is known; no more workers are started.
        actor_class: the actor; another one in tests.

    Raises:
        InputError: this machine has no room for a worker.
    """

    def __init__(
        self,
        settings: SweepSettings | ActivationsSettings,
        memory: int,
        tasks: int | None = None,
        actor_class: Any = WorkerActor,
    ) -> None:
        self._settings = settings
        self._actor_class = actor_class
        self._memory = memory
        self._notices: list[str] = []
        self._heard = time.monotonic()
        self.why_lost = ""
        """Why the last worker that was given up does not run."""
        self.slots = self._fill(tasks)

    def _fill(self, tasks: int | None) -> list[Slot]:
        self._size = worker_size(self._settings.cluster, self._memory)
        room = worker_count(self._settings.cluster, self._size)
        return [Slot(self._start()) for _ in range(room if tasks is None else min(room, tasks))]

    def has_memory_for(self, memory: int) -> bool:
        """Whether the workers were asked for with so many bytes; what a node cannot give was cut off then."""
        return memory <= self._memory

    def enlarge(self, memory: int) -> None:
        """Replace all workers, which must have nothing in hand, by fewer of more memory, as far as nodes have it."""
        self._memory = max(memory, int(_LEAST_GROWTH * self._memory))
        if worker_size(self._settings.cluster, self._memory) == self._size:  # more than a node has is not to be had
            return
        self.close()
        self.slots = self._fill(None)
        self._notices.append(f"a model needs larger workers: {len(self.slots)}, each with {self._size}")

    def _start(self) -> Any:
        return self._actor_class.options(
            num_cpus=self._size.cpus,
            num_gpus=self._size.gpus,
            memory=self._size.memory,
            max_restarts=-1,
            max_task_retries=0,
            max_concurrency=IN_FLIGHT + 2,  # a ping, and how far it is
        ).remote(self._settings.store, self._settings.profile, self._size.cpus)

    def free_slot(self, alone: bool) -> Slot | None:
        """The emptiest slot with room for one more; for a unit that must run alone, an empty one."""
        most = 0 if alone else IN_FLIGHT - 1
        free = [slot for slot in self.slots if slot.healthy and not slot.exclusive and len(slot.in_flight) <= most]
        return min(free, key=lambda slot: len(slot.in_flight), default=None)

    def probes(self) -> Sequence[ray.ObjectRef[Any]]:
        """Pings under way; those that are due are sent."""
        now = time.monotonic()
        for slot in self.slots:
            is_due = slot.rests_until if slot.probe is None else slot.probed + _PROBE_SECONDS
            if not slot.healthy and is_due <= now:
                slot.probe, slot.probed = slot.actor.ping.remote(), now
        return [slot.probe for slot in self.slots if slot.probe is not None]

    def answered(self, probe: ray.ObjectRef[Any]) -> None:
        """Take in the answer to a ping."""
        slot = next(slot for slot in self.slots if slot.probe is probe)
        slot.probe = None
        try:
            ray.get(probe)
        except RayError as error:
            self._recover(slot, error)
        else:
            slot.healthy, slot.rests, slot.deaths = True, 0, 0

    def failed(self, slot: Slot, actor: Any, error: RayError) -> None:
        """A unit came back because its actor failed. Several in its hands come back one by one: act on the first."""
        if slot.actor is actor and slot.healthy:
            self._recover(slot, error)

    def restart(self, slot: Slot, actor: Any) -> None:
        """End an actor that does not answer; what it has in hand comes back as with one that died."""
        if slot.actor is actor:
            ray.kill(actor, no_restart=False)

    def notices(self) -> Sequence[str]:
        """What the user should know about the workers and was not yet told."""
        now = time.monotonic()
        if any(slot.healthy for slot in self.slots):
            self._heard = now
        elif self.slots and now - self._heard > _SAY_EVERY_SECONDS:
            self._heard = now
            self._notices.append(f"still waiting for a worker to start; each needs {self._size}")
        told, self._notices = self._notices, []
        return told

    def _recover(self, slot: Slot, error: RayError) -> None:
        now = time.monotonic()
        slot.healthy = False
        slot.down_since = now if slot.rests == 0 else slot.down_since
        # sys.exit and an error in its constructor are final; from anything else Ray restarts it by itself.
        final = not isinstance(error, ActorUnavailableError)
        slot.deaths += final
        if slot.deaths >= _MOST_DEATHS or (now - slot.down_since > _MOST_DOWN_SECONDS and self._has_room()):
            self._give_up(slot, error)
            return
        if final:
            ray.kill(slot.actor)
            slot.actor = self._start()
        slot.rests_until = now + min(_REST_SECONDS * 2 ** min(slot.rests, 10), _MOST_REST_SECONDS)
        slot.rests += 1

    def _has_room(self) -> bool:
        """Whether the nodes that are there could hold more workers than run: else those that do not run wait for nodes."""
        return room_for(self._size) > sum(slot.healthy for slot in self.slots)

    def _give_up(self, slot: Slot, error: RayError) -> None:
        self.slots.remove(slot)
        ray.kill(slot.actor)
        self.why_lost = str(error).strip().splitlines()[-1].strip()
        self._notices.append(f"a worker was given up, {len(self.slots)} are left: {self.why_lost}")

    def close(self) -> None:
        for slot in self.slots:
            ray.kill(slot.actor)
