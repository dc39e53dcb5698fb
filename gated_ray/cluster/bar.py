"""A sweep's progress for people: a bar that is redrawn on a terminal, a line now and then in a log."""

import sys

from tqdm import tqdm

from gated_ray.cluster.tally import Tally
from gated_ray.cluster.work_unit import WorkUnit
from gated_ray.lines import LINE_SECONDS, Lines

_BAR = "{desc} |{bar:20}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_fmt}]"
_ESTIMATED = _BAR.replace("{total_fmt}", "~{total_fmt}").replace("{remaining}", "~{remaining}")


class Bar:
    """Weight bytes or tokens, because units differ in size by orders of magnitude; the units beside them. On stderr."""

    def __init__(self, tally: Tally, unit: WorkUnit) -> None:
        self._tally = tally
        terminal = sys.stderr.isatty()
        self._bar = tqdm(
            desc=self._description(),
            total=tally.size_expected,
            unit=unit.symbol,
            unit_scale=True,
            mininterval=0.2 if terminal else LINE_SECONDS,
            miniters=0,  # the clock goes on between units
            smoothing=0,  # rate and time left from the whole sweep: units arrive in bursts
            dynamic_ncols=terminal,
            file=sys.stderr if terminal else Lines(sys.stderr),
            bar_format=_BAR,
        )

    def refresh(self) -> None:
        self._take_over()
        self._bar.update(self._tally.size_shown - self._bar.n)

    def say(self, line: str) -> None:
        """Print a line of its own above the bar."""
        tqdm.write(line, file=sys.stderr)

    def close(self) -> None:
        """Print the bar as it stands, for good."""
        self._take_over()
        self._bar.n = self._tally.size_shown
        self._bar.close()

    def _take_over(self) -> None:
        expected = self._tally.size_expected
        self._bar.total = expected
        self._bar.bar_format = _ESTIMATED if self._tally.is_planning and expected else _BAR
        self._bar.set_description_str(self._description(), refresh=False)

    def _description(self) -> str:
        tally = self._tally
        more = "+" if tally.is_planning else ""
        parts = [
            f"units {tally.units_done}/{tally.units_planned}{more}",
            f"published {tally.models_published}/{tally.models_to_publish}",
        ]
        if tally.failures:
            parts.append(f"failed {tally.failures}")
        return ", ".join(parts)
