"""Every fault by name, what must come of it, and schedules of several that a seed chooses."""

import random
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from tests.chaos import faults
from tests.chaos.arena import Arena
from tests.chaos.models import MODELS, UNITS
from tests.chaos.soundness import Holding, faults_of, problems

_MOST_SWEEPS = 12

Armed = Callable[[Arena], None]
"""A fault with its number."""


def _at(fault: Callable[..., None], number: int, *arguments: object, **options: object) -> Armed:
    return lambda arena: fault(arena, number, *arguments, **options)


SCENARIOS: Mapping[str, tuple[Armed, ...]] = {
    "nothing": (),
    "worker killed": (_at(faults.worker_killed, 30),),
    "sys.exit in a worker": (_at(faults.worker_exits, 20),),
    "node removed": (_at(faults.node_removed, 15),),
    "driver killed": (_at(faults.driver_killed, 60),),
    "worker killed between data and manifest": (_at(faults.worker_killed, 20, "manifest"),),
    "worker killed after its manifest": (_at(faults.worker_killed, 20, "manifest", stored=True),),
    "driver killed between data and manifest": (_at(faults.driver_killed, 25, "manifest"),),
    "worker killed between tables": (_at(faults.worker_killed, 5, "table"),),
    "driver killed between tables": (_at(faults.driver_killed, 5, "table"),),
    "worker killed before the record": (_at(faults.worker_killed, 2, "record"),),
    "driver killed before the record": (_at(faults.driver_killed, 2, "record"),),
    "zombie before its data": (_at(faults.zombie, 20),),
    "zombie before its manifest": (_at(faults.zombie, 20, "manifest"),),
    "zombie of another build": (_at(faults.zombie, 20, other_build=True),),
    "zombie of another build before its manifest": (_at(faults.zombie, 20, "manifest", other_build=True),),
    "zombie of a killed driver": (_at(faults.zombie, 20, other_build=True, kills_driver=True),),
    "zombie of another build between its tables": (_at(faults.zombie, 20, "raw", 1, other_build=True),),
    "zombie of two units": (_at(faults.zombie_of_two_units, 40),),
    "zombie that publishes": (_at(faults.zombie_publisher, 2),),
    "zombie that publishes, before a table": (_at(faults.zombie_publisher, 5, "table"),),
    "zombie that wakes before publishing": (_at(faults.zombie, 20, "raw", 1, other_build=True, wakes_at="publish"),),
    "zombie that wakes before the tables": (_at(faults.zombie, 20, other_build=True, wakes_at="table"),),
    "zombie that wakes before the record": (_at(faults.zombie, 20, other_build=True, wakes_at="record"),),
    "503 for a third of PUTs": (_at(faults.throttled, 0),),
    "store away": (_at(faults.store_away, 20),),
    "credentials lost": (_at(faults.credentials_lost, 20),),
    "SIGTERM": (_at(faults.driver_asked_to_stop, 20),),
    "Ctrl-C": (_at(faults.driver_asked_to_stop, 20, signal.SIGINT),),
}


SHORT: Mapping[str, tuple[str, tuple[Armed, ...]]] = {
    "workers die": (
        "nanio",
        (
            _at(faults.worker_killed, 20, "manifest"),
            _at(faults.worker_killed, 30, "manifest", stored=True),
            _at(faults.worker_exits, 45),
            _at(faults.worker_killed, 5, "table"),
        ),
    ),
    "drivers die": (
        "moto",
        (
            _at(faults.driver_killed, 30, "manifest"),
            _at(faults.driver_killed, 2, "record"),
        ),
    ),
    "a node goes while PUTs are throttled": ("moto", (_at(faults.throttled, 0), _at(faults.node_removed, 15))),
    "zombies, one of two units and one of another build": (
        "nanio",
        (_at(faults.zombie_of_two_units, 20), _at(faults.zombie, 40, "raw", 1, other_build=True)),
    ),
}
"""What the tests have time for: every way to die or fall silent, in few sweeps; lost keys and signals have tests of their own."""


@dataclass(frozen=True)
class Outcome:
    """What a scenario came to, where it came right.

    Attributes:
        exits: of the sweeps, in order.
        late: problems that `jobs.verify` had to tell of once all was over but the last sweep.
    """

    exits: tuple[int, ...]
    late: int


def play(arena: Arena, armed: tuple[Armed, ...], expected: Holding, neurons: int, *, all_happen: bool) -> Outcome:
    """Commit faults on a sweep, run it again until it is done and nothing more comes, and look at what is there.

    Args:
        arena: where nothing happened yet.
        armed: the faults.
        expected: what the store must hold in the end.
        neurons: how many rows that is.
        all_happen: whether it is an error if a fault's moment does not come.

    Raises:
        AssertionError: a sweep ended otherwise than its faults allow, or the store is not what it is without them.
    """
    for fault in armed:
        fault(arena)
    late = 0
    for _ in range(_MOST_SWEEPS):
        code, came_late = arena.sweep()
        if came_late:
            late += len(problems(arena.objects))
        elif code == 0:
            break
    assert not (all_happen and arena.front.points), "a fault's moment did not come"
    wrong = faults_of(arena.objects, arena.store, expected, neurons)
    assert not wrong, "\n".join([f"exits {arena.exits}", *wrong, *arena.printed])
    assert not (left := arena.left_over()), f"outlived the sweeps: {left}"
    return Outcome(tuple(arena.exits), late)


class Schedule(NamedTuple):
    server: str
    words: tuple[str, ...]
    """The faults, each with its moment."""
    armed: tuple[Armed, ...]


def schedule(seed: int) -> Schedule:
    """A kind of server and two to five faults at moments between the first unit and the last table, drawn from a seed."""
    chooser = random.Random(seed)
    server = chooser.choice(("moto", "nanio"))
    words, armed = [], []
    for _ in range(chooser.randint(2, 5)):
        name, fault, most = chooser.choice(_CHOICES)
        number = chooser.randint(1, most)
        words.append(f"{name} ({number})")
        armed.append(partial(_commit, fault, number))
    return Schedule(server, tuple(words), tuple(armed))


def _commit(fault: Callable[..., None], number: int, arena: Arena) -> None:
    fault(arena, number)


_CHOICES: tuple[tuple[str, Callable[..., None], int], ...] = (
    ("worker killed", faults.worker_killed, 2 * UNITS),
    ("worker killed before a manifest", partial(faults.worker_killed, kind="manifest"), UNITS),
    ("worker killed after a manifest", partial(faults.worker_killed, kind="manifest", stored=True), UNITS),
    ("worker exits", faults.worker_exits, UNITS),
    ("node removed", faults.node_removed, UNITS),
    ("driver killed", faults.driver_killed, 2 * UNITS),
    ("driver killed before a manifest", partial(faults.driver_killed, kind="manifest"), UNITS),
    ("driver killed after a manifest", partial(faults.driver_killed, kind="manifest", stored=True), UNITS),
    ("driver killed before a table", partial(faults.driver_killed, kind="table"), 3 * MODELS),
    ("driver killed before a record", partial(faults.driver_killed, kind="record"), MODELS),
    ("worker killed before a record", partial(faults.worker_killed, kind="record"), MODELS),
    ("zombie", faults.zombie, UNITS),
    ("zombie before its manifest", partial(faults.zombie, kind="manifest"), UNITS),
    ("zombie of another build", partial(faults.zombie, other_build=True), UNITS),
    ("zombie that wakes before the record", partial(faults.zombie, other_build=True, wakes_at="record"), UNITS),
    ("zombie that publishes", faults.zombie_publisher, MODELS),
    ("zombie of a killed driver", partial(faults.zombie, other_build=True, kills_driver=True), UNITS),
    ("store away", faults.store_away, UNITS),
    ("credentials lost", faults.credentials_lost, UNITS),
    ("SIGTERM", faults.driver_asked_to_stop, UNITS),
    ("throttled", faults.throttled, 1000),
)
