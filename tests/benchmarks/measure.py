"""Timing what may be noisy."""

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Ratio:
    """One line of the benchmark's table.

    Attributes:
        name: what is measured.
        value: in `unit`.
        unit: such as ``x`` for a ratio.
        limit: the most that it may be, or the least if `at_least`; None where it is only reported.
        detail: the figures behind it.
    """

    name: str
    value: float
    unit: str
    limit: float | None
    detail: str
    at_least: bool = False

    @property
    def kept(self) -> bool:
        if self.limit is None:
            return True
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    @property
    def figure(self) -> str:
        return f"{self.value:.2f} {self.unit}"

    @property
    def bound(self) -> str:
        """The limit in words; empty where there is none."""
        return "" if self.limit is None else f"{'at least ' * self.at_least}{self.limit:g} {self.unit}"


def alternating(repeats: int, *works: Callable[[], object]) -> list[float]:
    """The least seconds of each work, taken in turns so that a slow spell of the machine meets all of them."""
    best = [float("inf")] * len(works)
    for _ in range(repeats):
        for index, work in enumerate(works):
            started = time.perf_counter()
            work()
            best[index] = min(best[index], time.perf_counter() - started)
    return best


def memory_above_imports(imports: str, work: str, argument: str) -> float:
    """Peak MB of a process of its own that does `work`, above what it held after its imports.

    By VmHWM, because ``ru_maxrss`` of a child begins at its parent's.

    Args:
        imports, work: Python statements.
        argument: ``sys.argv[1]`` of the process.
    """
    program = (
        f"import sys\n{imports}\n"
        "def kib(name):\n"
        "    lines = open('/proc/self/status').read().splitlines()\n"
        "    return next(int(line.split()[1]) for line in lines if line.startswith(name))\n"
        f"held = kib('VmRSS')\n{work}\nprint(kib('VmHWM') - held)\n"
    )
    run = subprocess.run([sys.executable, "-c", program, argument], check=True, capture_output=True, text=True)
    return int(run.stdout) * 1024 / 1e6
