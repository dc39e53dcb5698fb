"""The front before the store: it knows each step of a sweep by its requests, counts them, and there faults are committed.

A fault that is tied to the n-th request of a kind, which is held until the fault has happened, hits one exact moment, at
whatever speed the machine runs.
"""

import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from tests.chaos.processes import Process, process
from tests.servers.hub_faults import Hook
from tests.servers.hub_http import Response
from tests.servers.hub_log import Request
from tests.servers.s3 import S3Server
from tests.servers.s3_proxy import S3Proxy

Kind = Literal["begin", "raw", "manifest", "end", "publish", "table", "record", "other"]
"""A worker begins a unit, PUTs its tables and its manifest, and is done with it; a worker begins to publish a model, PUTs a
table, and the record of publication, and is done with it (an ``end`` too); anything else.
"""

BEGIN, PUBLISH, END = "/~begin/", "/~publish/", "/~end/"
"""Paths at which workers say what they begin, and hear what is to become of it, and what they are done with."""

_ASIDE: Mapping[str, Kind] = {BEGIN: "begin", PUBLISH: "publish", END: "end"}

DROPPED = Response(0, reset=True)
"""No answer: the connection is reset."""

_KINDS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    (
        "raw",
        re.compile(r"/raw/(?:neurons|layers)/(?P<unit>model=[^/]+/revision=[^/]+/profile=[^/]+/\d[^/]*)\.parquet$"),
    ),
    ("record", re.compile(r"/_units/(?P<unit>model=.*)/published\.json$")),
    ("manifest", re.compile(r"/_units/(?P<unit>model=[^/]+/revision=[^/]+/profile=[^/]+/\d[^/]*)\.json$")),
    ("table", re.compile(r"/(?:neurons|layers|expert_layers|models)/(?P<unit>model=.*)/part-\d+\.parquet$")),
)
_SENDER = re.compile(r"\bapp/pid-(\d+)")


@dataclass(frozen=True)
class Arrival:
    """A step of the sweep, as its request arrives."""

    kind: Kind
    number: int
    """Of its kind, from 1, since the front stands."""
    unit: str
    """Partition and unit; of what is published, the partition."""
    sender: Process | None
    """None where the request does not say."""


Act = Callable[[Arrival], Response | None]
"""Commits a fault; an answer of its own goes to the client in place of the server's."""


@dataclass(eq=False)
class Point:
    """A moment of a sweep, and what is to happen then, once.

    Attributes:
        when: which arrival it is.
        act: what happens.
        stored: act once the server has done what was asked, but has not been heard; else before it hears of it.
    """

    when: Callable[[Arrival], bool]
    act: Act
    stored: bool = False


class Front(S3Proxy):
    """A front that faults are tied to.

    Attributes:
        points: what is still to happen.
        refusals: hooks whose fault is all that a request gets: the server never hears of it.
        seen: processes that sent anything, by their number.
        arrived: requests so far, by kind.
        errors: what went wrong in a fault; the sweep then saw a broken connection.
    """

    def __init__(self, behind: S3Server) -> None:
        super().__init__(behind)
        self.points: list[Point] = []
        self.refusals: list[Hook] = []
        self.seen: dict[int, Process] = {}
        self.errors: list[Exception] = []
        self.arrived = Counter[str]()
        self._lock = threading.Lock()

    def at(self, kind: Kind, number: int, act: Act, *, stored: bool = False) -> None:
        """Act at the request of this kind and number, or at the first after it that is there to act on."""
        self.points.append(Point(lambda arrival: arrival.kind == kind and arrival.number >= number, act, stored))

    def _answer(self, request: Request) -> Response:
        arrival = self._arrive(request)
        is_of_store = arrival.kind not in _ASIDE.values()
        for refusal in self.refusals if is_of_store else ():
            if (fault := refusal(request)) is not None:
                return fault(Response(200))
        early, late = self._due(arrival)
        if (own := self._act(early, arrival)) is not None:
            return own
        response = super()._answer(request) if is_of_store else Response(200)
        if (own := self._act(late, arrival)) is not None:
            return own
        return response

    def _arrive(self, request: Request) -> Arrival:
        kind, unit = _meaning(request)
        sender = _SENDER.search(request.headers.get("user-agent", ""))
        with self._lock:
            self.arrived[kind] += 1
            return Arrival(kind, self.arrived[kind], unit, self._known(int(sender[1])) if sender else None)

    def _known(self, pid: int) -> Process | None:
        if (pid not in self.seen or not self.seen[pid].is_alive) and (found := process(pid)) is not None:
            self.seen[pid] = found
        return self.seen.get(pid)

    def _due(self, arrival: Arrival) -> tuple[list[Point], list[Point]]:
        with self._lock:
            due = [point for point in self.points if point.when(arrival)][:1]
            self.points = [point for point in self.points if point not in due]
        return [point for point in due if not point.stored], [point for point in due if point.stored]

    def _act(self, points: list[Point], arrival: Arrival) -> Response | None:
        for point in points:
            try:
                return point.act(arrival)
            except Exception as error:
                self.errors.append(error)
                raise
        return None


def _meaning(request: Request) -> tuple[Kind, str]:
    for start, kind in _ASIDE.items():
        if request.path.startswith(start):
            return kind, request.path.removeprefix(start)
    if request.method == "PUT":
        path = request.path.replace("%3D", "=")
        for kind, pattern in _KINDS:
            if match := pattern.search(path):
                return kind, match["unit"]
    return "other", ""
