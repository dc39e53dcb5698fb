"""CPU and memory of a job and all that it starts, sampled from ``/proc`` (Linux)."""

import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Self
from uuid import uuid4

Kind = Literal["driver", "worker", "ray"]
KINDS: tuple[Kind, ...] = ("driver", "worker", "ray")

MARK = "GATED_RAY_BENCHMARK"
"""Environment variable that a job's processes inherit, by which they are known."""
_EVERY_SECONDS = 0.5
_TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and the children that it waited for, 0 where there is no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / _TICK


@dataclass
class Used:
    """What one process used, up to the last look at it.

    Attributes:
        kind: the job itself, a worker of ours, or one of Ray's own.
        peak: bytes of memory at most, shared pages included (VmHWM).
        cpu: seconds, user and system.
    """

    kind: Kind
    peak: int = 0
    cpu: float = 0.0


@dataclass(frozen=True)
class Moment:
    """The driver's resident memory at some time of `time.monotonic`, in bytes."""

    time: float
    driver: int


@dataclass
class Watch:
    """Looks at all processes that carry `mark` in their environment, twice a second, until left.

    Attributes:
        used: by process id; processes that ended included.
        moments: the driver's memory over time.
    """

    driver: int
    mark: str
    used: dict[int, Used] = field(default_factory=dict)
    moments: list[Moment] = field(default_factory=list)
    _strangers: set[int] = field(default_factory=set)
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def of_kind(self, kind: Kind) -> Sequence[Used]:
        return [used for used in self.used.values() if used.kind == kind]

    def cpu(self, kind: Kind) -> float:
        return sum(used.cpu for used in self.of_kind(kind))

    def _watch(self) -> None:
        while not self._over.wait(_EVERY_SECONDS):
            for folder in Path("/proc").glob("[0-9]*"):
                pid = int(folder.name)
                if pid not in self._strangers:
                    self._look(pid, folder)

    def _look(self, pid: int, folder: Path) -> None:
        try:
            if pid not in self.used and f"{MARK}={self.mark}".encode() not in (folder / "environ").read_bytes():
                self._strangers.add(pid)
                return
            command = (folder / "cmdline").read_bytes()
            status = _status(folder)
        except OSError:  # it ended meanwhile
            return
        used = self.used.setdefault(pid, Used("driver" if pid == self.driver else "ray"))
        if command.startswith(b"ray::Worker"):
            used.kind = "worker"
        used.peak = max(used.peak, status.get("VmHWM", 0))
        used.cpu = max(used.cpu, cpu_seconds(pid))
        if pid == self.driver:
            self.moments.append(Moment(time.monotonic(), status.get("VmRSS", 0)))


def new_mark() -> str:
    return uuid4().hex


def _status(folder: Path) -> Mapping[str, int]:
    """The memory that ``/proc/PID/status`` gives in kB, in bytes."""
    fields = (line.split() for line in (folder / "status").read_text().splitlines())
    return {each[0].rstrip(":"): int(each[1]) * 1024 for each in fields if each[-1] == "kB"}
