"""Seconds and CPU of processes, beyond what they need to start."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

_ACCOUNTS = ("AWS_", "HF_", "HUGGING_FACE_", "HUGGINGFACE_", "RAY_", "TRANSFORMERS_", "CURL_", "SSL_", "REQUESTS_")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@dataclass(frozen=True)
class Usage:
    """What some work took: seconds by the clock, and seconds of CPU, user and system."""

    seconds: float
    cpu: float


def own_environment(scratch: Path, **more: str) -> dict[str, str]:
    """This process' environment without its user's accounts, caches and proxies."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_ACCOUNTS) and name.upper() not in _PROXIES
    }
    quiet = {"HF_HOME": str(scratch / "hf"), "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    return {**kept, **quiet, **more}


def usage_of(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Usage:
    """Run a command to its end.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    with tempfile.TemporaryFile("w+") as errors:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors, env=environment)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command, stderr=errors.read())
    return Usage(seconds, used.ru_utime + used.ru_stime)


class Prepared:
    """A Python process that has done its imports, and does its work when told to.

    Args:
        imports, work: Python statements; `work` may be done many times.
        arguments: ``sys.argv`` from 1 on.
        environment: of the process.
    """

    def __init__(self, imports: str, work: str, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        program = (
            f"import json, resource, sys, time\n{imports}\n"
            "def cpu():\n"
            "    used = resource.getrusage(resource.RUSAGE_SELF)\n"
            "    return used.ru_utime + used.ru_stime\n"
            "print('ready', flush=True)\n"
            "for _ in sys.stdin:\n"
            "    before, started = cpu(), time.perf_counter()\n"
            f"    {work}\n"
            "    print(json.dumps([time.perf_counter() - started, cpu() - before]), flush=True)\n"
        )
        self._process = subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=dict(environment),
        )

    def __enter__(self) -> Self:
        self._answer()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def run(self) -> Usage:
        """Do the work once.

        Raises:
            RuntimeError: it failed; the process has printed why.
        """
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return Usage(*json.loads(self._answer()))

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the measured process failed")
        return line
