"""Planning in threads: each model is handed over as soon as it is planned, so that work on it can begin."""

import threading
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

from gated_ray.cluster.failures import Failure, planning_failure
from gated_ray.cluster.plan import ModelPlan, plan_model
from gated_ray.settings import ActivationsSettings, SweepSettings
from gated_ray.store.objects import Objects

_THREADS = 8

Planned = ModelPlan | Failure

PlanOne = Callable[[str, Any, Objects], ModelPlan]
"""(reference, settings, store) -> plan."""


class Planner:
    """Plans models in the order asked for, several at a time; they come out in the order in which they are ready.

    A model that cannot be planned becomes a `Failure`; the others go on. The same reference twice is planned once.

    Args:
        settings: of the sweep.
        objects: its store.
        plan: plans one model, in several threads at once; None for the sweep of weights.
    """

    def __init__(
        self, settings: SweepSettings | ActivationsSettings, objects: Objects, plan: PlanOne | None = None
    ) -> None:
        self._settings = settings
        self._objects = objects
        self._plan_one: PlanOne = plan or plan_model
        self._out: SimpleQueue[Planned] = SimpleQueue()
        self._pending = dict.fromkeys(settings.models.refs)
        """References that nobody has taken yet."""
        self._references = deque(self._pending)
        self.order = {reference: number for number, reference in enumerate(self._pending)}
        """The models' places among those asked for, each counted once."""
        self._go_on = threading.Event()
        self._go_on.set()
        for _ in range(min(_THREADS, len(self.order))):
            # Daemons: a job that is asked to stop does not wait for a server that does not answer.
            threading.Thread(target=self._work, name="planning", daemon=True).start()

    @property
    def is_over(self) -> bool:
        """Whether everything was taken."""
        return not self._pending

    def take(self, seconds: float) -> list[Planned]:
        """What is ready; waits this long for a first."""
        found: list[Planned] = []
        while not self.is_over:
            try:
                planned = self._out.get(timeout=0 if found else seconds)
            except Empty:
                break
            del self._pending[planned.reference]
            found.append(planned)
        return found

    def hold(self, wait: bool) -> None:
        """Begin no other model while there is enough to do, so that memory stays bounded; or go on."""
        if wait:
            self._go_on.clear()
        else:
            self._go_on.set()

    def close(self) -> list[str]:
        """Begin nothing more; the references whose plan nobody took."""
        self._references.clear()
        self._go_on.set()
        return list(self._pending)

    def _work(self) -> None:
        while True:
            self._go_on.wait()
            try:
                reference = self._references.popleft()
            except IndexError:
                return
            self._out.put(self._plan(reference))

    def _plan(self, reference: str) -> Planned:
        try:
            return self._plan_one(reference, self._settings, self._objects)
        except Exception as error:  # noqa: BLE001 - a bug in reading one model must not stop the others
            return planning_failure(reference, error)
