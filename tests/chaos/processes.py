"""Processes told apart from those that get their number later."""

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    pid: int
    began: str
    """When, in clock ticks since the machine started."""

    @property
    def is_alive(self) -> bool:
        """Whether it runs, or could; one that waits to be reaped does not."""
        found = _stat(self.pid)
        return found is not None and found[1] == self.began and found[0] not in "ZX"

    def send(self, number: signal.Signals) -> None:
        """Nothing happens where it is gone."""
        if self.is_alive:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


def process(pid: int) -> Process | None:
    """The process that has this number now."""
    found = _stat(pid)
    return None if found is None else Process(pid, found[1])


def _stat(pid: int) -> tuple[str, str] | None:
    """State and begin (proc(5), fields 3 and 22)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return fields[0], fields[19]
