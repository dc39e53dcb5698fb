"""The number of requests at once follows what the wire gives, tried on wires that are made up."""

import random
from collections.abc import Callable

import pytest

from gated_ray.sources.remote.concurrency import Concurrency

_PART = 8 << 20
_MB = 1e6


def _run(concurrency: Concurrency, rate: Callable[[int], float], parts: int, idle: int = 0) -> list[int]:
    """The limits while so many parts come over a wire of this rate, in bytes a second by connections; some of which are idle."""
    now, limits = 0.0, []
    for _ in range(parts):
        now += _PART / rate(concurrency.limit)
        concurrency.finished(_PART, now, concurrency.limit - idle, last=False)
        limits.append(concurrency.limit)
    return limits


def _per_connection(each: float, most: float) -> Callable[[int], float]:
    return lambda connections: min(connections * each, most)


def test_it_starts_at_four() -> None:
    assert Concurrency().limit == 4


def test_it_rises_where_every_connection_adds() -> None:
    limits = _run(Concurrency(), _per_connection(20 * _MB, 320 * _MB), 2_000)
    assert 16 in limits[:400]
    assert {*limits[1_000:]} <= {12, 16, 24}
    assert limits[1_000:].count(16) > 600


def test_it_falls_where_one_connection_fills_the_wire() -> None:
    limits = _run(Concurrency(), lambda connections: 1_000 * _MB, 4_000)
    assert min(limits) == 1
    assert max(limits) <= 6
    assert sum(limits[2_000:]) / 2_000 < 2


def test_it_falls_where_more_connections_hurt() -> None:
    limits = _run(Concurrency(), lambda connections: 800 * _MB / max(1.0, connections / 2), 4_000)
    assert sum(limits[2_000:]) / 2_000 < 3


@pytest.mark.parametrize("seed", range(10))
def test_it_holds_on_a_noisy_wire(seed: int) -> None:
    """Rates a fifth up and down: it may err by a few steps, not fall to one connection where sixteen help."""
    noise = random.Random(seed)
    wire = _per_connection(20 * _MB, 320 * _MB)
    limits = _run(Concurrency(), lambda connections: wire(connections) * noise.uniform(0.8, 1.2), 4_000)
    reached = [wire(limit) for limit in limits[2_000:]]
    assert sum(reached) / len(reached) > 0.75 * 320 * _MB


def test_it_follows_a_wire_that_changes() -> None:
    concurrency = Concurrency()
    _run(concurrency, lambda connections: 100 * _MB, 1_000)
    assert concurrency.limit <= 2
    limits = _run(concurrency, _per_connection(20 * _MB, 640 * _MB), 4_000)
    assert limits[-1] >= 24


def test_nothing_is_learnt_while_connections_are_idle() -> None:
    assert {*_run(Concurrency(), _per_connection(20 * _MB, 640 * _MB), 2_000, idle=1)} == {4}


def test_pauses_do_not_count() -> None:
    """Nothing is on its way for an hour now and then: the wire is none the slower for it."""
    concurrency, wire, now = Concurrency(), _per_connection(20 * _MB, 320 * _MB), 0.0
    for part in range(4_000):
        now += _PART / wire(concurrency.limit) + (3_600 if part % 10 == 0 else 0)
        concurrency.finished(_PART, now, concurrency.limit, last=part % 10 == 9)
    assert concurrency.limit >= 12


def test_an_overloaded_server_gets_fewer_at_once() -> None:
    concurrency = Concurrency()
    concurrency.overloaded()
    assert concurrency.limit == 2
    for _ in range(10):
        concurrency.overloaded()
    assert concurrency.limit == 1
    assert _run(concurrency, _per_connection(20 * _MB, 640 * _MB), 400)[-1] > 1
