"""How far workers are, as the driver knows it: nothing is counted twice, nothing after its time, nobody is waited for."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import RayError

from gated_ray.cluster import asking
from gated_ray.cluster.asking import Inquiry, place_of


@dataclass(eq=False)
class Actor:
    """Answers at once with what it is told to."""

    answer: Any = field(default_factory=dict)

    @property
    def progress(self) -> Any:
        return SimpleNamespace(remote=lambda: SimpleNamespace(value=self.answer))


def get(reference: Any) -> Any:
    if isinstance(reference.value, Exception):
        raise reference.value
    return reference.value


@pytest.fixture(autouse=True)
def ray(monkeypatch: pytest.MonkeyPatch) -> None:
    ready = [0.0]
    monkeypatch.setattr(asking.ray, "wait", lambda references, **_: (references, []))
    monkeypatch.setattr(asking.ray, "get", get)
    monkeypatch.setattr(asking, "monotonic", lambda: ready.append(ready[-1] + 10) or ready[-1])


def flight(actor: Actor, shard: int, units: int = 1) -> Any:
    work = SimpleNamespace(partition=SimpleNamespace(path="P"), key=SimpleNamespace(id=f"shard-{shard}"))
    return SimpleNamespace(actor=actor, task=SimpleNamespace(units=units, work=work))


def test_shards_in_hand() -> None:
    one, other = Actor(), Actor()
    first, second, third = flight(one, 0), flight(one, 1), flight(other, 2)
    one.answer = {place_of(first.task.work): 100, place_of(second.task.work): 30}
    other.answer = {place_of(third.task.work): 5}
    inquiry = Inquiry()
    inquiry.under_way([first, second, third])  # asks
    assert inquiry.under_way([first, second, third]) == 135
    assert inquiry.under_way([second, third]) == 35  # the first is counted among what is done by now
    assert inquiry.under_way([third, flight(one, 7, units=0)]) == 5  # publishing
    other.answer = RayError("it died")
    inquiry.under_way([third])
    assert inquiry.under_way([third]) == 0
    assert inquiry.under_way([]) == 0
