"""The loop that hands units to workers, takes receipts, retries what may pass, and reports what did not."""

import time
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import Any

import ray
from ray.exceptions import NodeDiedError, OutOfMemoryError, RayActorError, RayError, WorkerCrashedError

from gated_ray.cluster.plan import Failure, ModelPlan, Plan
from gated_ray.cluster.pool import Pool
from gated_ray.cluster.progress import Progress
from gated_ray.cluster.tasks import Flight, Task
from gated_ray.cluster.units import Publishing, Receipt, Unit
from gated_ray.store.keys import Partition

_WAIT_SECONDS = 0.25
_WORKER_LOST = (RayActorError, OutOfMemoryError, WorkerCrashedError, NodeDiedError)


@dataclass
class Driver:
    """Runs one plan. State that a stop would lose is only what is in flight: the store's manifests are the progress."""

    max_attempts: int
    pool: Pool
    progress: Progress
    queue: list[Task] = field(default_factory=list)
    running: dict[ray.ObjectRef[Any], Flight] = field(default_factory=dict)
    """By the pending receipt."""
    waiting: dict[Partition, int] = field(default_factory=dict)
    """Units of each model that must be in the store before it can be published."""
    publications: dict[Partition, Task] = field(default_factory=dict)
    failed: dict[Partition, list[Failure]] = field(default_factory=lambda: defaultdict(list))
    stopped: str | None = None
    """Why nothing more is handed out."""

    def run(self, plan: Plan) -> list[Failure]:
        """Do everything that remains; the failures of models that could not be finished, one a model."""
        for model in plan.models:
            self.waiting[model.partition] = len(model.remaining)
            self.publications[model.partition] = Task(model, model.publishing)
            self.queue += [Task(model, unit) for unit in model.remaining]
            if not model.remaining and not model.is_published:
                self.queue.append(self.publications[model.partition])
        self.queue.sort(key=lambda task: -task.bytes)
        while self.queue or self.running:
            self._hand_out()
            self._take_in()
            self._look_after_workers()
        return [_summed_up(failures) for failures in self.failed.values()]

    def _hand_out(self) -> None:
        now = time.monotonic()
        for task in [task for task in self.queue if task.not_before <= now]:
            slot = self.pool.free_slot(alone=task.suspect)
            if slot is None:
                return
            self.queue.remove(task)
            method = slot.actor.measure if isinstance(task.work, Unit) else slot.actor.publish
            reference = method.remote(task.work)
            for companion in slot.in_flight:
                self.running[companion].shared = True
            self.running[reference] = Flight(task, slot, slot.actor, shared=bool(slot.in_flight))
            slot.in_flight.add(reference)
            slot.exclusive = task.suspect

    def _take_in(self) -> None:
        probes = self.pool.probes()
        pending = [*self.running, *probes]
        if not pending:
            time.sleep(_WAIT_SECONDS)
            return
        ready, _ = ray.wait(pending, num_returns=1, timeout=_WAIT_SECONDS)
        for reference in ready:
            if reference in probes:
                self.pool.answered(reference)
            else:
                self._finish(reference)
        self.progress.refresh()

    def _look_after_workers(self) -> None:
        for notice in self.pool.notices():
            self.progress.say(notice)
        if not self.pool.slots and self.stopped is None:
            self._stop(f"no worker keeps running: {self.pool.why_lost}")

    def _finish(self, reference: ray.ObjectRef[Any]) -> None:
        flight = self.running.pop(reference)
        flight.slot.in_flight.discard(reference)
        flight.slot.exclusive = False
        try:
            receipt: Receipt = ray.get(reference)
        except _WORKER_LOST as error:
            self.pool.failed(flight.slot, flight.actor, error)
            self._worker_lost(flight, error)
        except RayError as error:
            self._again(flight.task, Receipt(f"Ray lost it ({type(error).__name__})", traceback=str(error)))
        else:
            self._received(flight.task, receipt)

    def _received(self, task: Task, receipt: Receipt) -> None:
        if receipt.error is None:
            self._succeeded(task)
        elif receipt.again and isinstance(task.work, Publishing):
            self._redo(task, receipt)
        elif receipt.kind == "transient":
            self._again(task, receipt)
        else:
            self._give_up(task, receipt)

    def _worker_lost(self, flight: Flight, error: RayError) -> None:
        flight.task.suspect = True
        if flight.shared and self.stopped is None:  # the other one may be guilty: alone, each answers for itself
            flight.task.pause()
            self.queue.append(flight.task)
            return
        self._again(flight.task, Receipt("its worker died (out of memory?)", traceback=str(error)))

    def _succeeded(self, task: Task) -> None:
        if isinstance(task.work, Publishing):
            self.progress.published()
            return
        self.progress.done(task.work)
        self.waiting[task.model.partition] -= 1
        self._publish_if_complete(task.model)

    def _publish_if_complete(self, model: ModelPlan) -> None:
        """When a model's last unit is in, its publication goes to the head of the queue. A unit given up is waited for still."""
        if self.waiting[model.partition]:
            return
        publication = self.publications[model.partition]
        if self.stopped is None:
            self.queue.insert(0, publication)
        else:
            self._not_done(publication)

    def _redo(self, task: Task, receipt: Receipt) -> None:
        """Units turned out damaged when they were to be published: do them again, then publish."""
        task.attempts += 1
        if task.attempts >= self.max_attempts or self.stopped is not None:
            self._give_up(task, receipt)
            return
        damaged = [unit for unit in task.model.units if unit.key in receipt.again]
        self.waiting[task.model.partition] = len(damaged)
        self.queue += [Task(task.model, unit) for unit in damaged]
        self.progress.more(damaged)

    def _again(self, task: Task, receipt: Receipt) -> None:
        task.attempts += 1
        if task.attempts >= self.max_attempts or self.stopped is not None:
            times = f", {task.attempts} times" if task.attempts > 1 else ""
            self._give_up(task, replace(receipt, error=f"{receipt.error}{times}"))
            return
        task.pause()
        self.queue.append(task)

    def _give_up(self, task: Task, receipt: Receipt) -> None:
        self._fail(task, str(receipt.error), receipt.traceback)
        if receipt.kind == "store":
            self._stop(str(receipt.error))

    def _fail(self, task: Task, why: str, traceback: str = "") -> None:
        reference = task.model.reference
        message = f"{reference}: {task.place}: {why.removeprefix(f'{reference}: ')}"
        self.failed[task.model.partition].append(Failure(reference, message, traceback))
        self.progress.failed(task.work if isinstance(task.work, Unit) else None)

    def _not_done(self, task: Task) -> None:
        self._fail(task, f"not done: {self.stopped}")

    def _stop(self, why: str) -> None:
        """Nothing more can be done: hand out nothing. What is in flight is taken in."""
        self.stopped = self.stopped or why
        queue, self.queue = self.queue, []
        for task in queue:
            self._not_done(task)


def _summed_up(failures: list[Failure]) -> Failure:
    first = failures[0]
    if len(failures) == 1:
        return first
    return replace(first, message=f"{first.message} (and {len(failures) - 1} more of its units)")
