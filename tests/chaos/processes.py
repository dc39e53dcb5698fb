"""Processes told apart from those that get their number later."""

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


@dataclass(frozen=True)
class Process:
    pid: int
    began: str
    """When, in clock ticks since the machine started."""

    @property
    def is_alive(self) -> bool:
        """Whether it runs, or could; one that waits to be reaped does not."""
        found = self._stat()
        return found is not None and found.state not in "ZX"

    @property
    def parent(self) -> int | None:
        """The number of the process that started it; None where it is gone."""
        found = self._stat()
        return None if found is None else found.parent

    def send(self, number: signal.Signals) -> None:
        """Nothing happens where it is gone."""
        if self.is_alive:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _stat(self) -> "_Stat | None":
        found = _stat(self.pid)
        return found if found is not None and found.began == self.began else None


class _Stat(NamedTuple):
    """Fields 3, 4 and 22 of proc(5)."""

    state: str
    parent: int
    began: str


def process(pid: int) -> Process | None:
    """The process that has this number now."""
    found = _stat(pid)
    return None if found is None else Process(pid, found.began)


def _stat(pid: int) -> _Stat | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return _Stat(fields[0], int(fields[1]), fields[19])
