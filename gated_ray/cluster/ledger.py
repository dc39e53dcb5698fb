"""What became of each model: planned, open, published or given up. Counts and names; nothing here waits or calls."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from gated_ray.cluster.failures import Failure
from gated_ray.cluster.plan import ModelPlan, PlannedModel
from gated_ray.cluster.tasks import Task
from gated_ray.cluster.work import Work
from gated_ray.store.keys import Partition, WorkKey


@dataclass
class _OpenModel:
    """A model that is not published yet.

    Attributes:
        publication: what is to be done once all its units are in the store.
        waiting: the units that are not.
        live: its tasks that wait or are in a worker's hands.
        again: it was published before, by this sweep.
    """

    publication: Task
    waiting: dict[WorkKey, Work]
    live: int
    again: bool = False


@dataclass
class Ledger:
    """The models of one sweep.

    Attributes:
        models: every model that was planned.
        failures: by reference, the first of each model that cannot be finished.
        units: of all models that are open, done ones included: what the driver's memory depends on.
    """

    models: dict[Partition, PlannedModel] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)
    units: int = 0
    _open: dict[Partition, _OpenModel] = field(default_factory=dict)
    _given_up: dict[Partition, int] = field(default_factory=dict)
    """How many failures each model has."""

    def begin(self, plan: ModelPlan, order: int) -> list[Task]:
        """Take a planned model in; what is to be done first. Nothing where it is published, or known by another reference."""
        if plan.partition in self.models:
            return []
        self.models[plan.partition] = plan.record()
        if plan.is_published:
            return []
        publication = Task(plan, plan.publishing, order)
        tasks = [Task(plan, unit, order) for unit in plan.remaining] or [publication]
        self._open_model(publication, plan.remaining, len(tasks))
        return tasks

    def begin_again(self, plan: ModelPlan, order: int) -> Task:
        """Open a published model once more; its publication."""
        publication = Task(plan, plan.publishing, order)
        self._open_model(publication, (), 1)
        self._open[plan.partition].again = True
        return publication

    def unit_done(self, task: Task) -> Task | None:
        """A unit is in the store; the model's publication where it was the last. A unit given up is waited for still."""
        model = self._open[task.model.partition]
        del model.waiting[task.work.key]  # type: ignore[union-attr]
        model.live -= 1
        if model.waiting:
            self._forget_if_hopeless(task.model.partition)
            return None
        model.live += 1
        return model.publication

    def published(self, partition: Partition) -> bool:
        """A model is published; whether for the first time."""
        again = self._open[partition].again
        self._close(partition)
        return not again

    def units_lost(self, publication: Task, keys: Collection[WorkKey]) -> list[Task]:
        """Units that turned out damaged when they were to be published: they are to be done again, then the publication."""
        model = self._open[publication.model.partition]
        model.waiting = {unit.key: unit for unit in publication.model.units if unit.key in keys}
        model.live = len(model.waiting)
        return [Task(publication.model, unit, publication.order) for unit in model.waiting.values()]

    def fail(self, task: Task, why: str, kind: str, traceback: str = "") -> str:
        """A task is given up; its message."""
        reference, partition = task.model.reference, task.model.partition
        message = f"{reference}: {task.place}: {why.removeprefix(f'{reference}: ')}"
        first = self.failures.setdefault(reference, Failure(reference, message, traceback, kind))
        more = self._given_up[partition] = self._given_up.get(partition, -1) + 1
        if more:
            said = first.message.removesuffix(f" (and {more - 1} more of its units)")
            self.failures[reference] = replace(first, message=f"{said} (and {more} more of its units)")
        self._open[partition].live -= 1
        self._forget_if_hopeless(partition)
        return message

    def is_done(self, partition: Partition) -> bool:
        """Whether a model that was planned is published."""
        return partition not in self._open and partition not in self._given_up

    @property
    def left(self) -> list[PlannedModel]:
        """Models that are open, and of which nothing was given up, in the order asked for."""
        left = [partition for partition in self._open if partition not in self._given_up]
        return [
            self.models[partition] for partition in sorted(left, key=lambda each: self._open[each].publication.order)
        ]

    @property
    def units_left(self) -> tuple[int, int]:
        """How many units of those models are not in the store, and their size."""
        models = [model for partition, model in self._open.items() if partition not in self._given_up]
        units = [unit for model in models for unit in model.waiting.values()]
        return len(units), sum(unit.size for unit in units)

    def _open_model(self, publication: Task, waiting: Collection[Work], live: int) -> None:
        self._open[publication.model.partition] = _OpenModel(publication, {unit.key: unit for unit in waiting}, live)
        self.units += len(publication.model.units)

    def _close(self, partition: Partition) -> None:
        self.units -= len(self._open.pop(partition).publication.model.units)

    def _forget_if_hopeless(self, partition: Partition) -> None:
        """Nothing more will be done for a model of which something was given up."""
        if partition in self._given_up and not self._open[partition].live:
            self._close(partition)
