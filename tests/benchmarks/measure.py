"""Timing what may be noisy."""

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
        limit: the most that it may be; None where it is only reported.
        detail: the figures behind it.
    """

    name: str
    value: float
    unit: str
    limit: float | None
    detail: str

    @property
    def kept(self) -> bool:
        return self.limit is None or self.value <= self.limit


def alternating(repeats: int, *works: Callable[[], object]) -> list[float]:
    """The least seconds of each work, taken in turns so that a slow spell of the machine meets all of them."""
    best = [float("inf")] * len(works)
    for _ in range(repeats):
        for index, work in enumerate(works):
            started = time.perf_counter()
            work()
            best[index] = min(best[index], time.perf_counter() - started)
    return best
