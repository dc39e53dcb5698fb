"""The loop that hands units to workers, takes receipts, retries what may pass, and reports what did not."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import ray
from ray.exceptions import NodeDiedError, OutOfMemoryError, RayActorError, RayError, WorkerCrashedError

from gated_ray.cluster.asking import Inquiry
from gated_ray.cluster.failures import Failure
from gated_ray.cluster.ledger import Ledger
from gated_ray.cluster.plan import ModelPlan
from gated_ray.cluster.planner import Planner
from gated_ray.cluster.pool import Pool
from gated_ray.cluster.progress import Progress
from gated_ray.cluster.stopping import Stop
from gated_ray.cluster.tasks import Agenda, Flight, Task
from gated_ray.cluster.units import Receipt
from gated_ray.cluster.work import Need, Publishing
from gated_ray.settings import ClusterSettings
from gated_ray.store.keys import Partition

_WAIT_SECONDS = 0.25
_PLAN_FIRST_SECONDS = 5.0
"""How long workers wait for more models to be planned, once Ray runs, so that they get their final size and number at once."""
_MOST_UNITS = 20_000
"""Of models that are planned and not published, about 2 kB each; beyond, planning waits."""
_WORKER_LOST = (RayActorError, OutOfMemoryError, WorkerCrashedError, NodeDiedError)


@dataclass
class Driver:
    """Runs one sweep. State that a stop would lose is only what is in flight: the store's manifests are the progress.

    Args:
        settings: of the cluster.
        planner: gives the models.
        hire: starts Ray, if need be, and then workers, for what its argument says: bytes that each needs, and how many
            tasks there are where that is known.
        is_intact: whether a published model's tables and units are still as its publication says.
        when_planned: called once every model is planned.
        progress: what the user sees.
        stop: whether the user wants an end.
        inquiry: asks workers how far they are, where these can tell.
    """

    settings: ClusterSettings
    planner: Planner
    hire: Callable[[Callable[[], tuple[int, int | None]]], Pool]
    is_intact: Callable[[ModelPlan], bool]
    when_planned: Callable[["Driver"], None]
    progress: Progress
    stop: Stop
    inquiry: Inquiry | None = None
    ledger: Ledger = field(default_factory=Ledger)
    agenda: Agenda = field(default_factory=Agenda)
    running: dict[ray.ObjectRef[Any], Flight] = field(default_factory=dict)
    """By the pending receipt."""
    shaken: dict[Partition, ModelPlan] = field(default_factory=dict)
    """Models of which a worker was lost with something in hand: it may live on, and write late."""
    unplanned: list[str] = field(default_factory=list)
    """References that a stop left unplanned."""
    stopped: str | None = None
    """Why nothing more is handed out."""
    _pool: Pool | None = None
    _planning: bool = True
    _need: Need = field(default_factory=Need)

    def run(self) -> None:
        """Do everything that remains, until it is done, cannot be done, or a stop is asked for."""
        try:
            while not self._is_over():
                self._take_plans(0.0 if self.running or self.agenda else _WAIT_SECONDS)
                if self.agenda and self._pool is None and not self.stop.asked:
                    self._pool = self.hire(self._wait_for_plans)
                if self._pool is not None:
                    self._hand_out(self._pool)
                    self._take_in(self._pool)
                    self._look_after_workers(self._pool)
                self.progress.refresh()
        finally:
            if self._pool is not None:
                self._pool.close()

    def _is_over(self) -> bool:
        if self.stop.asked and self.stopped is None:
            self._stop(self.stop.reason)
        if self.running:
            return self.stop.asked and self.stop.seconds >= self.settings.grace_seconds
        if self.stopped is not None:
            return True
        if self.planner.is_over and not self.agenda:
            self._look_for_late_writers()
        return self.planner.is_over and not self.agenda

    def _take_plans(self, seconds: float) -> None:
        if self._has_stopped():
            return
        self._hold_if_enough()
        for each in self.planner.take(seconds):
            if self._has_stopped():  # by one of these
                self._cannot_begin(Failure(each.reference, f"{each.reference}: not done: {self.stopped}", kind="store"))
            elif isinstance(each, ModelPlan):
                self._begin(each)
            else:
                self._cannot_begin(each)
                if each.kind == "store":
                    self._stop(each.message.removeprefix(f"{each.reference}: "))
        self._hold_if_enough()
        if self.planner.is_over and self._planning:
            self._planning = False
            self.when_planned(self)

    def _has_stopped(self) -> bool:
        return self.stopped is not None

    def _hold_if_enough(self) -> None:
        self.planner.hold(self.ledger.units > _MOST_UNITS)

    def _begin(self, plan: ModelPlan) -> None:
        tasks = self.ledger.begin(plan, self.planner.order[plan.reference])
        self.progress.planned(plan.partition.model, sum(task.units for task in tasks), sum(task.size for task in tasks))
        self._need = self._need.with_work(plan.remaining)
        for task in tasks:
            self.agenda.add(task)

    def _cannot_begin(self, failure: Failure) -> None:
        self.ledger.failures[failure.reference] = failure
        self.progress.not_planned(failure.message)

    def _wait_for_plans(self) -> tuple[int, int | None]:
        """Bytes that a worker needs, and how many tasks there are, where planning ends soon."""
        deadline = time.monotonic() + _PLAN_FIRST_SECONDS
        while not self.planner.is_over and self.stopped is None and not self.stop.asked:
            self._take_plans(_WAIT_SECONDS)
            if time.monotonic() > deadline or self.ledger.units > _MOST_UNITS:
                return self._need.memory, None
        return self._need.memory, len(self.agenda)

    def _hand_out(self, pool: Pool) -> None:
        while (task := self.agenda.first()) is not None:
            if not pool.has_memory_for(self._need.memory):
                if self.running:  # until the workers have nothing in hand
                    return
                pool.enlarge(self._need.memory)
            slot = pool.free_slot(alone=task.suspect)
            if slot is None:
                return
            self.agenda.take()
            method = slot.actor.publish if isinstance(task.work, Publishing) else slot.actor.measure
            reference = method.remote(task.work)
            for companion in slot.in_flight:
                self.running[companion].shared = True
            self.running[reference] = Flight(task, slot, slot.actor, shared=bool(slot.in_flight))
            slot.in_flight.add(reference)
            slot.exclusive = task.suspect

    def _take_in(self, pool: Pool) -> None:
        probes = set(pool.probes())
        pending = [*self.running, *probes]
        if not pending:
            if self.agenda:  # everything must pause
                self.stop.wait(_WAIT_SECONDS)
            return
        ready, waiting = ray.wait(pending, timeout=_WAIT_SECONDS)
        if ready and waiting:  # and whatever else is there by now
            ready += ray.wait(waiting, num_returns=len(waiting), timeout=0)[0]
        for reference in ready:
            if reference in probes:
                pool.answered(reference)
            else:
                self._finish(pool, reference)

    def _look_after_workers(self, pool: Pool) -> None:
        for notice in pool.notices():
            self.progress.say(notice)
        if self.inquiry is not None:
            self.progress.under_way(self.inquiry.under_way(self.running.values()))
        now = time.monotonic()
        for flight in self.running.values():
            if now - flight.since > flight.task.most_seconds:
                minutes = (now - flight.since) / 60
                flight.since = now
                reference, place = flight.task.model.reference, flight.task.place
                self.progress.say(f"{reference}: {place}: no answer for {minutes:.0f} minutes; its worker is restarted")
                pool.restart(flight.slot, flight.actor)
        if not pool.slots and self.stopped is None:
            self._stop(f"no worker keeps running: {pool.why_lost}")

    def _finish(self, pool: Pool, reference: ray.ObjectRef[Any]) -> None:
        flight = self.running.pop(reference)
        flight.slot.in_flight.discard(reference)
        flight.slot.exclusive = False
        try:
            receipt: Receipt = ray.get(reference)
        except _WORKER_LOST as error:
            pool.failed(flight.slot, flight.actor, error)
            self._worker_lost(flight, error)
        except RayError as error:
            self._again(flight.task, Receipt(f"Ray lost it ({type(error).__name__})", traceback=str(error)))
        else:
            self._received(flight.task, receipt)

    def _received(self, task: Task, receipt: Receipt) -> None:
        for notice in receipt.notices:
            self.progress.say(notice)
        if receipt.error is None:
            self._succeeded(task, receipt)
        elif receipt.again and isinstance(task.work, Publishing):
            self._redo(task, receipt)
        elif receipt.kind == "transient":
            self._again(task, receipt)
        else:
            self._give_up(task, receipt)

    def _worker_lost(self, flight: Flight, error: RayError) -> None:
        task = flight.task
        task.suspect = True
        self.shaken[task.model.partition] = task.model
        if flight.shared and self.stopped is None:  # the other one may be guilty: alone, each answers for itself
            task.pause()
            self.agenda.add(task)
            return
        self._again(task, Receipt("its worker died (out of memory?)", traceback=str(error)))

    def _succeeded(self, task: Task, receipt: Receipt) -> None:
        if isinstance(task.work, Publishing):
            if self.ledger.published(task.model.partition):
                self.progress.published(task.model.partition.model, receipt.phases)
            return
        self.progress.done(task.size, receipt.phases)
        if publication := self.ledger.unit_done(task):
            if self.stopped is None:
                self.agenda.add(publication)
            else:
                self._not_done(publication)

    def _look_for_late_writers(self) -> None:
        """Publish once more what is not any longer as its publication says."""
        while self.shaken and not self.stop.asked:
            partition, plan = self.shaken.popitem()
            if self.ledger.is_done(partition) and not self.is_intact(plan):
                self.agenda.add(self.ledger.begin_again(plan, self.planner.order[plan.reference]))

    def _redo(self, task: Task, receipt: Receipt) -> None:
        """Units turned out damaged when they were to be published: do them again, then publish."""
        task.attempts += 1
        if task.attempts >= self.settings.max_attempts:
            self._give_up(task, receipt)
        elif self.stopped is not None:
            self._not_done(task)
        else:
            damaged = self.ledger.units_lost(task, receipt.again)
            self.progress.again(len(damaged), sum(each.size for each in damaged))
            self._need = self._need.with_work(each.work for each in damaged if not isinstance(each.work, Publishing))
            for each in damaged:
                self.agenda.add(each)

    def _again(self, task: Task, receipt: Receipt) -> None:
        task.attempts += 1
        if task.attempts >= self.settings.max_attempts:
            times = f", {task.attempts} times" if task.attempts > 1 else ""
            self._give_up(task, replace(receipt, error=f"{receipt.error}{times}"))
        elif self.stopped is not None:
            self._not_done(task)
        else:
            task.pause()
            self.agenda.add(task)

    def _give_up(self, task: Task, receipt: Receipt) -> None:
        self._fail(task, str(receipt.error), receipt.kind, receipt.traceback)
        if receipt.kind == "store":
            self._stop(str(receipt.error))

    def _fail(self, task: Task, why: str, kind: str, traceback: str = "") -> None:
        message = self.ledger.fail(task, why, kind, traceback)
        self.progress.failed(message, task.units, task.size, task.model.partition.model)

    def _not_done(self, task: Task) -> None:
        if not self.stop.asked:
            self._fail(task, f"not done: {self.stopped}", "store")

    def _stop(self, why: str) -> None:
        """Nothing more can be done, or shall be: hand out nothing. What is in flight is taken in."""
        if self.stopped is not None:
            return
        self.stopped = why
        self.unplanned = self.planner.close()
        for task in self.agenda.clear():
            self._not_done(task)
        for reference in self.unplanned if not self.stop.asked else ():
            self._cannot_begin(Failure(reference, f"{reference}: not done: {why}", kind="store"))
