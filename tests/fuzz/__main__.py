"""``python -m tests.fuzz SECONDS [SEED]``: spoiled checkpoints for so long, and what they came to."""

import sys
import time
import traceback
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from tests.fuzz.target import MOST_MEMORY, Outcome, judge, resident

_LISTED = 40
_LIBRARIES = ("gated-ray", "safetensors", "torch")


def main(seconds: float, seed: int) -> bool:
    """Whether nothing was found."""
    failures: dict[str, int] = {}
    kinds, shapes = Counter[str](), Counter[str]()
    slowest = Outcome("", "", 0.0)
    with TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as scratch:
        folder = Path(scratch) / "m"
        judge(Random(seed), folder)
        held, begin, cases = resident(), time.monotonic(), 0
        while time.monotonic() < begin + seconds:
            try:
                outcome = judge(Random(seed + cases), folder)
            except Exception:  # noqa: BLE001 what must not happen is what is looked for
                failures.setdefault(traceback.format_exc(limit=-1), seed + cases)
                kinds["FOUND"] += 1
            else:
                kinds[outcome.kind] += 1
                shapes[f"{outcome.kind}: {outcome.shape}"] += outcome.kind != "read"
                slowest = max(slowest, outcome, key=lambda each: each.seconds)
            cases += 1
    memory = resident("VmHWM") - held
    print(f"Python {sys.version.split()[0]}, {', '.join(f'{name} {version(name)}' for name in _LIBRARIES)}")
    print(
        f"{cases} cases in {seconds:.0f} s from seed {seed}: {', '.join(f'{n} {kind}' for kind, n in kinds.most_common())}"
    )
    print(f"{len(shapes)} kinds of refusals; memory at most {memory / 1e6:.0f} MB above the start")
    print(f"slowest {slowest.seconds:.2f} s: {slowest.kind} {slowest.message[:160]}")
    for shape, count in shapes.most_common(_LISTED):
        print(f"{count:8} {shape}")
    for text, number in failures.items():
        print(f"\nseed {number}:\n{text}", file=sys.stderr)
    return not failures and memory < MOST_MEMORY


if __name__ == "__main__":
    sys.exit(0 if main(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0) else 1)
