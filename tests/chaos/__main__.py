"""``python -m tests.chaos``: all scenarios on both S3 servers, then random schedules; writes RESULTS.md."""

import argparse
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from tests.chaos.ground import Ground, ground
from tests.chaos.scenarios import SCENARIOS, Armed, schedule

_RESULTS = Path(__file__).with_name("RESULTS.md")
_SEED = "seed"
_LIBRARIES = ("gated-ray", "ray", "boto3", "moto", "nanio", "pyarrow")


class Case(NamedTuple):
    name: str
    server: str
    words: str
    armed: tuple[Armed, ...]


class Verdict(NamedTuple):
    case: Case
    sweeps: str
    late: str
    seconds: float
    error: str

    @property
    def row(self) -> str:
        case, verdict = self.case, "FAILED" if self.error else "ok"
        return f"| {case.name} | {case.server} | {case.words} | {self.sweeps} | {self.late} | {self.seconds:.0f} | {verdict} |"


def main(names: Sequence[str], seeds: Sequence[int], record: bool) -> bool:
    """Whether everything came right; with `record`, the results are written after each case."""
    started = time.monotonic()
    cases = [Case(name, server, "", SCENARIOS[name]) for name in names for server in ("moto", "nanio")]
    for seed in seeds:
        drawn = schedule(seed)
        cases.append(Case(f"{_SEED} {seed}", drawn.server, "; ".join(drawn.words), drawn.armed))
    verdicts: list[Verdict] = []
    with ground() as shared:
        for case in cases:
            verdicts.append(_play(shared, case))
            print(verdicts[-1].row, flush=True)
            summary = _summary(verdicts, len(cases), time.monotonic() - started)
            if record:
                rows = [verdict.row for verdict in verdicts]
                _RESULTS.write_text("\n".join([*_HEAD, summary, "", *_COLUMNS, *rows, ""]))
    print(summary)
    return not any(verdict.error for verdict in verdicts)


def _summary(verdicts: Sequence[Verdict], cases: int, seconds: float) -> str:
    failed = sum(bool(verdict.error) for verdict in verdicts)
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, Python {sys.version.split()[0]}, {libraries}: {len(verdicts)} of {cases} cases done, "
        f"{failed} failed, {seconds / 60:.0f} minutes."
    )


_HEAD = (
    "# Chaos: what was done to sweeps, and what it took to set them right",
    "",
    "Written by `python -m tests.chaos`; `python -m tests.chaos --only NAME` or `--seed N` does one again. Four small",
    "models of 60 units, a cluster of two nodes, an S3 server behind a front that commits faults at counted requests. `ok`: every",
    "sweep ended with the exit code that its faults allow; the store then held the keys and the bytes of an undisturbed sweep",
    "(but for the seconds that it took), every neuron once, `jobs.verify` found nothing, and no process was left.",
    "`exits` are those of the sweeps in order (-9: killed, 143: SIGTERM, 130: Ctrl-C); `late` counts what `jobs.verify` found",
    "after late writes, before the last sweep.",
    "",
)
_COLUMNS = (
    "| scenario | server | faults (at which request) | exits | late | seconds | verdict |",
    "|---|---|---|---|---|---|---|",
)


def _play(shared: Ground, case: Case) -> Verdict:
    began = time.monotonic()
    exits, late, error = "", "", ""
    all_happen = not case.name.startswith(_SEED)
    try:
        outcome = shared.play(f"{case.name} {case.server}", case.server, case.armed, all_happen=all_happen)
    except AssertionError as failure:
        error = str(failure) or "failed"
        print(error, file=sys.stderr, flush=True)
    else:
        exits, late = " ".join(map(str, outcome.exits)), str(outcome.late)
    return Verdict(case, exits, late, time.monotonic() - began, error)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="how many random schedules, from 0")
    parser.add_argument("--seed", type=int, help="this one alone, and no scenario")
    parser.add_argument("--only", choices=SCENARIOS, help="this scenario alone")
    options = parser.parse_args()
    if options.seed is not None:
        chosen: tuple[Sequence[str], Sequence[int]] = (), (options.seed,)
    elif options.only is not None:
        chosen = (options.only,), ()
    else:
        chosen = tuple(SCENARIOS), range(options.seeds)
    sys.exit(0 if main(*chosen, record=len(chosen[0]) > 1) else 1)
