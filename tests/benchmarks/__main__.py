"""Run the benchmarks, print a table, and fail where a limit is passed."""

import importlib
import sys

from rich import box
from rich.console import Console
from rich.table import Table

_BENCHMARKS = ("analyze_speed", "regions_speed", "driver_speed", "inspect_speed")


def main() -> None:
    names = sys.argv[1:] or _BENCHMARKS
    table = Table("measured", "value", "limit", "kept", "behind it", box=box.SIMPLE_HEAD)
    kept = True
    for name in names:
        for ratio in importlib.import_module(f"tests.benchmarks.{name}").run():
            limit = "" if ratio.limit is None else f"{ratio.limit:g} {ratio.unit}"
            table.add_row(
                ratio.name, f"{ratio.value:.2f} {ratio.unit}", limit, "yes" if ratio.kept else "NO", ratio.detail
            )
            kept &= ratio.kept
    Console(width=140).print(table)
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    main()
