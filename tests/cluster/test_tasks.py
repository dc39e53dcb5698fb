"""The order in which work is handed out."""

from typing import Any

import pytest

from gated_ray.cluster import tasks
from gated_ray.cluster.plan import ModelPlan
from gated_ray.cluster.tasks import Agenda, Task
from gated_ray.cluster.units import PackedUnit
from gated_ray.cluster.work import Publishing
from gated_ray.store.keys import Partition, UnitKey

PUBLISHING = Publishing(Partition("org/model", "0" * 40, "paper"), (), {}, {})
MODEL = ModelPlan("org/model", PUBLISHING, (), (), 0, 0, False)


def task(size: int, order: int = 0, **fields: Any) -> Task:
    return Task(MODEL, PackedUnit(UnitKey(0, "mlp"), size, size, b""), order, **fields)


def handed_out(agenda: Agenda) -> list[Task]:
    taken = []
    while (first := agenda.first()) is not None:
        assert agenda.take() is first
        taken.append(first)
    return taken


def test_publications_then_the_largest_units_then_as_asked_for() -> None:
    small, large, of_second, of_first = task(1), task(9), task(5, order=1), task(5, order=0)
    publication = Task(MODEL, PUBLISHING, order=3)
    agenda = Agenda()
    for each in (small, of_second, of_first, publication, large):
        agenda.add(each)
    assert len(agenda) == 5
    assert handed_out(agenda) == [publication, large, of_first, of_second, small]
    assert len(agenda) == 0


def test_what_must_pause_lets_others_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(tasks, "monotonic", lambda: now[0])
    soon, later, ready = task(9, not_before=1001.0), task(8, not_before=1002.0), task(1)
    agenda = Agenda()
    for each in (later, soon, ready):
        agenda.add(each)
    assert handed_out(agenda) == [ready]
    assert len(agenda) == 2
    now[0] = 1002.5
    assert handed_out(agenda) == [soon, later]


def test_pauses_double_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "monotonic", lambda: 0.0)
    each, pauses = task(1), []
    for attempts in (1, 2, 3, 10, 50):
        each.attempts = attempts
        each.pause()
        pauses.append(each.not_before)
    assert pauses == [1.0, 2.0, 4.0, 30.0, 30.0]


def test_what_waits_is_given_back_in_order() -> None:
    agenda = Agenda()
    tasks_ = [task(1), task(3), task(2)]
    for each in tasks_:
        agenda.add(each)
    assert agenda.clear() == [tasks_[1], tasks_[2], tasks_[0]]
    assert (len(agenda), agenda.first()) == (0, None)
