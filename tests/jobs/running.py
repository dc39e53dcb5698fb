"""Running the commands as a user does, and in this process where that is enough."""

import os
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

_MARK = "GATED_RAY_TEST_RUN"
_GONE_SECONDS = 30
_READY_SECONDS = 120


def run_job(
    name: str, *overrides: str, cwd: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """``python -m jobs.NAME OVERRIDES`` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", f"jobs.{name}", *overrides],
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=300,
    )


def call_job(name: str, *overrides: str) -> int:
    """The same in this process, with its Ray if it has one; returns the exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [f"jobs.{name}", *overrides])
        patch.delitem(sys.modules, f"jobs.{name}", raising=False)
        with pytest.raises(SystemExit) as exit_:
            runpy.run_module(f"jobs.{name}", run_name="__main__")
    return int(exit_.value.code or 0)


@dataclass(frozen=True)
class StartedJob:
    """A job that runs, with what it has printed so far."""

    process: subprocess.Popen[bytes]
    output: Path

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Look again and again until `condition` holds, which it must while the job runs and before two minutes are over."""
        holds = wait_until(lambda: condition() or self.process.poll() is not None, _READY_SECONDS)
        assert holds, f"nothing happened; the job printed:\n{self.output.read_text()}"
        assert self.process.poll() is None, f"the job is over; it printed:\n{self.output.read_text()}"


@contextmanager
def started_job(name: str, *overrides: str, cwd: Path) -> Iterator[StartedJob]:
    """A job in a session of its own; a worker or a server of its Ray that outlives it is a failure."""
    mark = uuid4().hex
    output = cwd / f"{mark}.txt"
    with open(output, "wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", f"jobs.{name}", *overrides],
            cwd=cwd,
            env={**os.environ, _MARK: mark},
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        yield StartedJob(process, output)
        assert process.poll() is not None, "the job still runs"
        assert wait_until(lambda: not _at_work(mark), _GONE_SECONDS), f"outlived the job: {_at_work(mark)}"
    finally:
        for pid in _marked(mark):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Look again and again until `condition` holds; whether it did in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _marked(mark: str) -> list[int]:
    """Living processes that inherited the mark."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            is_marked = f"{_MARK}={mark}".encode() in (folder / "environ").read_bytes()
        except OSError:
            continue
        if is_marked:
            found.append(int(folder.name))
    return found


def _at_work(mark: str) -> list[str]:
    """The commands of those that can do anything: two agents of a killed Ray look for it for a minute, then leave."""
    commands = []
    for pid in _marked(mark):
        with suppress(OSError):
            commands.append(Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()[:200])
    return [command for command in commands if command not in ("ray::DashboardAgent", "ray::RuntimeEnvAgent")]
