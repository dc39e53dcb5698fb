"""The threads that bring bytes over the network, one libcurl handle each, shared by all that this process reads."""

import os
import statistics
import threading
import time
import traceback
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import pycurl

from gated_ray.errors import TransientError
from gated_ray.sources.buffers import Allocate, new_buffer
from gated_ray.sources.origin import Span
from gated_ray.sources.remote.concurrency import Concurrency
from gated_ray.sources.remote.fetch import fetch
from gated_ray.sources.remote.links import Link
from gated_ray.sources.remote.parts import Part, parts_of
from gated_ray.sources.remote.retry import OverloadedError

_SMALL = 1 << 20
"""Bytes of a part that is read in the caller's own thread: headers wait for the wire, not for the bytes before them."""
_LATE_SECONDS = 2.0
_LATE_TIMES = 4
"""How many times as long as others a part takes before another connection tries it too."""
_LOOK_SECONDS = 0.5
_REMEMBERED = 32


@dataclass(eq=False)
class _Batch:
    """What one caller waits for."""

    parts: set[Part]
    error: BaseException | None = None
    over: threading.Event = field(default_factory=threading.Event)


@dataclass(eq=False)
class _Job:
    """One part on its way.

    Attributes:
        started: when it was taken in hand first.
        doubled: whether it is late, so that a second thread is to take it in hand too.
        hands: threads that are at it.
    """

    part: Part
    link: Link
    batch: _Batch
    started: float = 0.0
    doubled: bool = False
    hands: int = 0


class Engine:
    """Reads parts in threads, as many at once as help. Parts of earlier calls go first."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._queue: deque[_Job] = deque()
        self._running: set[_Job] = set()
        self._busy = 0
        self._threads = 0
        self._concurrency = Concurrency()
        self._paces: deque[float] = deque(maxlen=_REMEMBERED)
        """Seconds a byte, of the last parts."""

    def read(self, parts: Sequence[Part], link: Link) -> None:
        """Fill the parts of one file.

        Raises:
            GatedRayError: the first error of any part, as `fetch` raises them. The others are given up.
            TransientError: the system lets us start no thread.
        """
        if not parts:
            return
        batch = _Batch(set(parts))
        try:
            with self._changed:
                self._queue.extend(_Job(part, link, batch) for part in parts)
                self._call_up()
            while not batch.over.wait(_LOOK_SECONDS):
                self._ask_again(batch)
        finally:
            if batch.parts:
                self._abandon(batch)
        if batch.error is not None:
            try:
                raise batch.error
            finally:
                del batch  # else the error, this frame and all that it read into hold each other until a collection

    def notice(self, fault: TransientError) -> None:
        """Learn from a fault that will be tried again."""
        if isinstance(fault, OverloadedError):
            with self._changed:
                self._concurrency.overloaded()

    def _abandon(self, batch: _Batch) -> None:
        """Nobody waits for these parts any more: nothing may write to their memory from here on."""
        with self._changed:
            self._queue = deque(job for job in self._queue if job.batch is not batch)
            given_up = list(batch.parts)
        for part in given_up:
            part.settle()

    def _call_up(self, coming: int = 0) -> None:
        """Wake or start threads for what waits, up to the limit. They stay, and keep their connections open.

        No more than needed: each that wakes takes time from those at work.

        Args:
            coming: threads that will look for work by themselves.
        """
        wanted = min(self._concurrency.limit - self._busy, len(self._queue)) - coming
        self._changed.notify(wanted)
        for _ in range(min(wanted, self._concurrency.limit - self._threads)):
            thread = threading.Thread(target=self._work, name=f"range-{self._threads + 1}", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                if self._threads:  # fewer do it too
                    return
                raise TransientError(
                    "no thread to read with can be started; allow more (ulimit -u, pids.max)"
                ) from error
            self._threads += 1

    def _ask_again(self, batch: _Batch) -> None:
        """Put the parts that are late before those that wait."""
        with self._changed:
            if not self._paces:
                return
            now, usual = time.monotonic(), statistics.median(self._paces)
            for job in self._running:
                is_late = now - job.started > max(_LATE_SECONDS, _LATE_TIMES * usual * job.part.size)
                if job.batch is batch and is_late and job.part.wanted and not job.doubled:
                    job.doubled = True
                    self._queue.appendleft(job)
            self._call_up()

    def _work(self) -> None:
        curl = pycurl.Curl()
        while True:
            self._work_once(curl)

    def _work_once(self, curl: pycurl.Curl) -> None:
        """In a function of its own: a thread that waits for work must not hold on to the memory of the last."""
        job, again = self._take()
        error: BaseException | None = None
        try:
            self._bring(curl, job, again)
        except BaseException as raised:  # noqa: BLE001 - raised again where it is waited for
            traceback.clear_frames(raised.__traceback__)
            error = raised
        self._finished(job, error)
        del job, error  # what was raised holds this frame

    def _take(self) -> tuple[_Job, bool]:
        """The next part, as soon as one more may be asked for; whether another thread is at it already."""
        with self._changed:
            while not self._queue or self._busy >= self._concurrency.limit:
                self._changed.wait()
            job = self._queue.popleft()
            self._busy += 1
            self._running.add(job)
            job.hands += 1
            if not job.doubled:
                job.started = time.monotonic()
            return job, job.doubled

    def _bring(self, curl: pycurl.Curl, job: _Job, again: bool) -> None:
        part = job.part
        if not again:
            fetch(curl, part, job.link, self.notice)
            part.settle()
            return
        start = part.done  # the other thread goes on, so this one needs memory of its own
        rest = Part(part.begin + start, new_buffer(part.size - start), part.whole, instead_of=part)
        fetch(curl, rest, job.link, self.notice)
        part.settle(start, rest.view)

    def _finished(self, job: _Job, error: BaseException | None) -> None:
        with self._changed:
            job.hands -= 1
            if error is None:
                now = time.monotonic()
                self._paces.append((now - job.started) / job.part.size)
                is_last = self._busy == 1 and not self._queue
                self._concurrency.finished(job.part.size, now, self._busy, is_last)
                job.batch.parts.discard(job.part)
            elif job.hands == 0 and not job.part.settled:
                job.batch.error = job.batch.error or error
            if error is None or job.hands == 0:
                self._running.discard(job)
            if job.batch.error is not None or not job.batch.parts:
                job.batch.over.set()
            self._busy -= 1
            self._call_up(coming=1)


ENGINE = Engine()
_handles = threading.local()
_of_the_parent: list[threading.local] = []
"""Never closed: that would end connections of the process that this one was forked from."""


def _begin_anew() -> None:
    """In a forked process: it has none of the threads, and on connections it shared each would read the other's bytes."""
    global ENGINE, _handles
    _of_the_parent.append(_handles)
    ENGINE, _handles = Engine(), threading.local()


os.register_at_fork(after_in_child=_begin_anew)


def read_remote(spans: Sequence[Span], link: Link, allocate: Allocate = new_buffer) -> list[memoryview]:
    """The bytes of spans of one file, in memory that `allocate` makes.

    Raises:
        GatedRayError: as `fetch` raises them.
    """
    buffers, parts = parts_of(spans, allocate)
    _read(parts, link)
    return buffers


def read_whole(size: int, link: Link) -> bytes:
    """A small file, asked for without a range: not every server knows ranges of what it makes up itself."""
    part = Part(0, new_buffer(size), whole=True)
    _read([part], link)
    return bytes(part.view)


def _read(parts: Sequence[Part], link: Link) -> None:
    if len(parts) != 1 or parts[0].size > _SMALL:
        ENGINE.read(parts, link)
        return
    if not hasattr(_handles, "curl"):
        _handles.curl = pycurl.Curl()
    fetch(_handles.curl, parts[0], link, ENGINE.notice)
