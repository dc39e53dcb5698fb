"""What is known of each model while it is worked on, and when it is forgotten."""

import pytest

from gated_ray.cluster.ledger import Ledger
from gated_ray.cluster.plan import ModelPlan
from gated_ray.cluster.units import PackedUnit
from gated_ray.cluster.work import Publishing
from gated_ray.store.keys import Partition, UnitKey


def plan(name: str, units: int = 3, left: int | None = None, is_published: bool = False) -> ModelPlan:
    packed = tuple(PackedUnit(UnitKey(layer, "mlp"), 10, 40, b"") for layer in range(units))
    partition = Partition(f"org/{name}", "0" * 40, "paper")
    publishing = Publishing(partition, tuple(unit.key for unit in packed), {}, {})
    return ModelPlan(f"org/{name}", publishing, packed, packed[: units if left is None else left], 1, 1, is_published)


def test_a_model_is_published_once_its_last_unit_is_in() -> None:
    ledger, model = Ledger(), plan("one")
    tasks = ledger.begin(model, 7)
    assert [(task.work, task.order) for task in tasks] == [(unit, 7) for unit in model.units]
    assert ledger.units == 3
    assert [ledger.unit_done(task) for task in tasks[:2]] == [None, None]
    assert ledger.units_left == (1, 10)
    publication = ledger.unit_done(tasks[2])
    assert publication is not None
    assert (publication.work, publication.order) == (model.publishing, 7)
    assert [each.reference for each in ledger.left] == ["org/one"]
    assert not ledger.is_done(model.partition)
    assert ledger.published(model.partition) is True
    assert ledger.is_done(model.partition)
    assert (ledger.left, ledger.units, ledger.units_left) == ([], 0, (0, 0))


def test_what_the_store_holds_is_not_done_again() -> None:
    ledger = Ledger()
    assert ledger.begin(plan("published", left=0, is_published=True), 0) == []
    assert [task.work for task in ledger.begin(plan("complete", left=0), 1)] == [plan("complete", left=0).publishing]
    assert len(ledger.begin(plan("half", left=1), 2)) == 1
    assert [each.reference for each in ledger.left] == ["org/complete", "org/half"]


def test_the_same_model_under_another_reference_is_begun_once() -> None:
    ledger = Ledger()
    assert len(ledger.begin(plan("one"), 0)) == 3
    assert ledger.begin(plan("one"), 1) == []
    assert ledger.units == 3


def test_a_model_with_a_failure_is_not_published_and_forgotten_after_its_other_units() -> None:
    ledger, model = Ledger(), plan("one")
    first, second, third = ledger.begin(model, 0)
    assert ledger.fail(first, "org/one: tensor gone", "input", "trace") == "org/one: layer 0 (mlp): tensor gone"
    assert ledger.unit_done(second) is None
    assert ledger.units == 3, "a unit is still in a worker's hands"
    assert ledger.unit_done(third) is None
    assert (ledger.units, ledger.left, ledger.is_done(model.partition)) == (0, [], False)
    (failure,) = ledger.failures.values()
    assert (failure.message, failure.kind, failure.traceback) == (
        "org/one: layer 0 (mlp): tensor gone",
        "input",
        "trace",
    )


@pytest.mark.parametrize("failures", [2, 3])
def test_further_failures_of_a_model_are_counted(failures: int) -> None:
    ledger = Ledger()
    for task in ledger.begin(plan("one"), 0)[:failures]:
        ledger.fail(task, "no", "input")
    assert ledger.failures["org/one"].message == f"org/one: layer 0 (mlp): no (and {failures - 1} more of its units)"


def test_units_found_damaged_are_done_again_and_then_published() -> None:
    ledger, model = Ledger(), plan("one")
    publication = None
    for task in ledger.begin(model, 4):
        publication = ledger.unit_done(task)
    assert publication is not None
    (again,) = ledger.units_lost(publication, [UnitKey(1, "mlp")])
    assert (again.work, again.order) == (model.units[1], 4)
    assert ledger.units_left == (1, 10)
    assert ledger.unit_done(again) is publication
    publication.attempts = 3
    ledger.fail(publication, "damaged again", "transient")
    assert (ledger.units, ledger.left) == (0, [])


def test_a_published_model_can_be_opened_again() -> None:
    ledger, model = Ledger(), plan("one", left=0)
    (publication,) = ledger.begin(model, 0)
    ledger.published(model.partition)
    again = ledger.begin_again(model, 0)
    assert (again.work, again is publication) == (model.publishing, False)
    assert not ledger.is_done(model.partition)
    assert ledger.published(model.partition) is False, "it is counted once"
    assert ledger.is_done(model.partition)
