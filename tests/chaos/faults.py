"""The faults, each tied to one moment of a sweep: the n-th request of a kind, which waits until the fault has happened.

Every one takes the arena and a number; those of units count up to `tests.chaos.models.UNITS`, those of publishing count
models or tables.
"""

import signal
import threading
from collections.abc import Callable

from tests.chaos.arena import Arena
from tests.chaos.front import DROPPED, Arrival, Kind, Point
from tests.chaos.obedient import EXIT, OTHER_BUILD
from tests.servers.hub_faults import Condition, always, anywhere, first, reset_after, sometimes
from tests.servers.hub_http import Response
from tests.servers.s3_proxy import slow_down

Fault = Callable[[Arena, int], None]

_NODE_COMES_BACK_AFTER = 8
"""Units."""
_REFUSED_WHILE_AWAY = 24
_PATIENCE_SECONDS = 120
_KILLED = {-signal.SIGKILL: ""}
_DENIED = b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>InvalidAccessKeyId</Code><Message>No such key</Message></Error>'


def _kill(arrival: Arrival) -> None:
    if arrival.sender is not None:
        arrival.sender.send(signal.SIGKILL)


def worker_killed(arena: Arena, number: int, kind: Kind = "raw", *, stored: bool = False) -> None:
    """SIGKILL of a worker while its request is on the way; with `stored`, once it has done its work."""

    def act(arrival: Arrival) -> Response:
        _kill(arrival)
        return DROPPED

    arena.front.at(kind, number, act, stored=stored)


def worker_exits(arena: Arena, number: int) -> None:
    """``sys.exit`` in a worker, which is final for an actor."""
    arena.front.at("begin", number, lambda _: Response(200, body=EXIT.encode()))


def node_removed(arena: Arena, number: int) -> None:
    """The node of a worker is switched off; another one comes some units later."""

    def act(arrival: Arrival) -> Response:
        if arrival.sender is not None and arrival.sender.is_alive:
            arena.cluster.lose(arrival.sender)
            arena.front.at("manifest", arrival.number + _NODE_COMES_BACK_AFTER, come_back)
        return DROPPED

    def come_back(_: Arrival) -> None:
        arena.cluster.add()

    arena.front.at("manifest", number, act)


def driver_killed(arena: Arena, number: int, kind: Kind = "raw", *, stored: bool = False) -> None:
    """SIGKILL of the driver and of the worker whose request is on the way: as if both ran on one machine."""

    def act(arrival: Arrival) -> Response:
        arena.end_driver(signal.SIGKILL, _KILLED)
        _kill(arrival)
        return DROPPED

    arena.front.at(kind, number, act, stored=stored)


def driver_asked_to_stop(arena: Arena, number: int, by: signal.Signals = signal.SIGTERM) -> None:
    """SIGTERM or Ctrl-C. A sweep that has all in hand that is left may still finish."""

    def act(_: Arrival) -> None:
        arena.end_driver(by, {128 + by: f"stopped by {by.name}", 0: ""})

    arena.front.at("manifest", number, act)


def credentials_lost(arena: Arena, number: int) -> None:
    """From here on the store refuses the keys, until the sweep is over."""

    def denied(_: Response) -> Response:
        return Response(403, {"Content-Type": "application/xml"}, _DENIED)

    def act(_: Arrival) -> Response:
        arena.endings[1] = "refused these credentials"
        arena.refuse(always(denied, anywhere))
        return denied(DROPPED)

    arena.front.at("manifest", number, act)


def store_away(arena: Arena, number: int) -> None:
    """From here on the store resets so many connections, at most until the sweep is over."""

    def act(_: Arrival) -> Response:
        arena.refuse(first(_REFUSED_WHILE_AWAY, reset_after(None), anywhere))
        return DROPPED

    arena.front.at("manifest", number, act)


def throttled(arena: Arena, seed: int) -> None:
    """503 for a third of all PUTs from the beginning: half of them are done nevertheless."""
    arena.front.refusals.append(sometimes(1 / 6, slow_down, _is_put, seed))
    arena.front.faults.append(sometimes(1 / 5, slow_down, _is_put, seed + 1))


_is_put: Condition = lambda request: request.method == "PUT"  # noqa: E731


def zombie(
    arena: Arena,
    number: int,
    kind: Kind = "raw",
    after: int = 0,
    *,
    other_build: bool = False,
    kills_driver: bool = False,
    wakes_at: Kind | None = None,
) -> None:
    """A worker falls silent while it commits a unit, and goes on when the sweep, which took it for dead, is over.

    Args:
        arena: where.
        number: of the unit.
        kind: what it writes as it falls silent; that arrives late, and what it writes next.
        after: how many requests of that kind it makes before.
        other_build: its tables are other bytes than those of the worker that did the unit in its stead.
        kills_driver: nobody is there to take it for dead.
        wakes_at: it goes on earlier, when the first request of this kind comes that publishes its model; that waits.
    """

    def begin(arrival: Arrival) -> Response:
        skipped = iter(range(after))

        def falls(other: Arrival) -> bool:
            return _same(other, arrival, kind) and next(skipped, None) is None

        def fall(other: Arrival) -> None:
            _fall_silent(arena, other, kills_driver, wakes_at)

        arena.front.points.append(Point(falls, fall))
        return Response(200, body=OTHER_BUILD.encode() if other_build else b"")

    arena.front.at("begin", number, begin)


def zombie_of_two_units(arena: Arena, number: int) -> None:
    """A worker falls silent while it commits both units that it has in hand, and goes on when the sweep is over."""

    def act(arrival: Arrival) -> None:
        came = threading.Event()

        def is_other_unit(other: Arrival) -> bool:
            return (other.kind, other.sender) == ("raw", arrival.sender) and other.unit != arrival.unit

        def fall(other: Arrival) -> None:
            came.set()
            _fall_silent(arena, other)

        arena.front.points.append(Point(is_other_unit, fall))
        assert came.wait(_PATIENCE_SECONDS), "the worker commits no other unit"
        _fall_silent(arena, arrival)

    arena.front.at("raw", number, act)


def zombie_publisher(arena: Arena, number: int, kind: Kind = "record") -> None:
    """A worker falls silent while it publishes a model, which another one then does, and goes on when the sweep is over."""
    arena.front.at(kind, number, lambda arrival: _fall_silent(arena, arrival))


def _fall_silent(arena: Arena, arrival: Arrival, kills_driver: bool = False, wakes_at: Kind | None = None) -> None:
    """Stop a worker whose request is on the way until the sweep is over, or until it comes to something.

    Args:
        arena: where.
        arrival: the request.
        kills_driver: see `zombie`.
        wakes_at: see `zombie`.
    """
    if arrival.sender is None:
        return
    silence = arena.silence(arrival.sender)
    if not silence.fall(arrival.unit):
        return
    arena.front.points.append(
        Point(lambda other: _same(other, arrival, "end"), lambda _: silence.finished(arrival.unit))
    )
    if kills_driver:
        arena.end_driver(signal.SIGKILL, _KILLED)
    arena.afterwards.append(silence.end)
    if wakes_at is not None:
        arena.front.points.append(
            Point(lambda other: other.kind == wakes_at and arrival.unit.startswith(other.unit), lambda _: silence.end())
        )
    silence.wait()


def _same(one: Arrival, other: Arrival, kind: Kind) -> bool:
    """Whether one is of this kind, and of the same unit and sender as the other."""
    return (one.kind, one.unit, one.sender) == (kind, other.unit, other.sender)
