"""RESULTS.md: the figures of each benchmark as last recorded, with the day and the machine."""

import os
import platform
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.benchmarks.measure import Ratio

RESULTS = Path(__file__).with_name("RESULTS.md")


def record(name: str, ratios: Sequence[Ratio], path: Path = RESULTS) -> None:
    """Put the figures of a benchmark in the place of those that were recorded before, or at the end."""
    section = f"## {name}\n\n{_circumstances()}\n\n{_table(ratios)}\n"
    before = path.read_text()
    pattern = re.compile(rf"^## {re.escape(name)}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    after, found = pattern.subn(lambda _: f"{section}\n", before)
    if not found:
        after = f"{before.rstrip()}\n\n{section}"
    path.write_text(f"{after.rstrip()}\n")


def _circumstances() -> str:
    day = datetime.now(UTC).date().isoformat()
    return f"{day}, {_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}."


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    named = next((line for line in lines if line.startswith("model name")), "")
    return named.partition(": ")[2] or platform.machine()


def _table(ratios: Sequence[Ratio]) -> str:
    rows = ["| measured | value | limit | behind it |", "|---|---|---|---|"]
    for ratio in ratios:
        limit = ratio.bound if ratio.kept else f"{ratio.bound}: not kept"
        rows.append(f"| {ratio.name} | {ratio.figure} | {limit} | {ratio.detail} |")
    return "\n".join(rows)
