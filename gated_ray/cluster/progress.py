"""The progress line: units, bytes, rate, time left."""

import sys
from collections.abc import Iterable
from typing import TextIO

from tqdm import tqdm

from gated_ray.cluster.units import Unit

_LINE_SECONDS = 10
"""Between lines where the output is no terminal, so that logs stay readable."""


class _Lines:
    """Turns a bar that redraws itself into one line an update, for logs."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        if line := text.strip():
            self._stream.write(f"{line}\n")

    def flush(self) -> None:
        self._stream.flush()


class Progress:
    """Counts weight bytes, because units differ in size by orders of magnitude; shows the units beside them."""

    def __init__(self, units: Iterable[Unit]) -> None:
        waiting = list(units)
        self._units = len(waiting)
        self._done = 0
        self._failed = 0
        self._published = 0
        terminal = sys.stderr.isatty()
        self._bar = tqdm(
            desc=self._description(),
            total=sum(unit.bytes for unit in waiting),
            unit="B",
            unit_scale=True,
            mininterval=0.2 if terminal else _LINE_SECONDS,
            miniters=0,  # the clock goes on between units
            smoothing=0,  # rate and time left from the whole sweep: units arrive in bursts
            dynamic_ncols=terminal,
            file=sys.stderr if terminal else _Lines(sys.stderr),
            bar_format="{desc} |{bar:20}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_fmt}]",
        )

    def done(self, unit: Unit) -> None:
        self._done += 1
        self._describe()
        self._bar.update(unit.bytes)

    def published(self) -> None:
        self._published += 1
        self._describe()

    def failed(self, unit: Unit | None) -> None:
        self._failed += 1
        self._describe()
        if unit is not None:
            self._bar.total = (self._bar.total or 0) - unit.bytes

    def more(self, units: Iterable[Unit]) -> None:
        """Units that are to be done a second time."""
        for unit in units:
            self._units += 1
            self._bar.total = (self._bar.total or 0) + unit.bytes

    def refresh(self) -> None:
        self._bar.update(0)

    def say(self, line: str) -> None:
        """Print a line of its own above the bar."""
        tqdm.write(line, file=sys.stderr)

    def close(self) -> None:
        """Print the bar as it stands, for good."""
        self._bar.close()

    def _describe(self) -> None:
        self._bar.set_description_str(self._description(), refresh=False)

    def _description(self) -> str:
        parts = [f"units {self._done}/{self._units}", f"published {self._published}"]
        if self._failed:
            parts.append(f"failed {self._failed}")
        return ", ".join(parts)
