"""Run the benchmarks, print a table, and fail where a limit is passed; with ``--record``, write the figures to RESULTS.md too."""

import argparse
import importlib
import sys

from rich import box
from rich.console import Console
from rich.table import Table

from tests.benchmarks.measure import Ratio
from tests.benchmarks.results import record

_BENCHMARKS = ("analyze_speed", "regions_speed", "driver_speed", "inspect_speed", "activations_speed", "streaming")
_BY_NAME_ALONE = ("atlas_speed", "full_size", "gpu_speed", "many_units", "two_nodes")
"""Take minutes, a GPU or a browser."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    known = (*_BENCHMARKS, *_BY_NAME_ALONE)
    parser.add_argument(
        "names", nargs="*", metavar="name", help=f"of {', '.join(known)}; by default {len(_BENCHMARKS)}"
    )
    parser.add_argument("--record", action="store_true", help="write the figures to RESULTS.md")
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(known):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    table = Table("measured", "value", "limit", "kept", "behind it", box=box.SIMPLE_HEAD)
    kept = True
    for name in asked.names or _BENCHMARKS:
        ratios: list[Ratio] = importlib.import_module(f"tests.benchmarks.{name}").run()
        for ratio in ratios:
            table.add_row(ratio.name, ratio.figure, ratio.bound, "yes" if ratio.kept else "NO", ratio.detail)
            kept &= ratio.kept
        if asked.record:
            record(name, ratios)
    Console(width=160).print(table)
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    main()
