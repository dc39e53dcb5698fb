"""Inspecting DeepSeek-V3's headers, 91,991 tensors in 163 shards, against parsing the same JSON; and memory."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from gated_ray.inspection.models import inspect_model
from gated_ray.settings import InspectSettings
from tests.benchmarks.measure import Ratio, alternating
from tests.checkpoints.deepseek_v3 import hollow_deepseek_v3

_REPEATS = 5


@contextmanager
def _hollow() -> Iterator[Path]:
    with TemporaryDirectory() as scratch:
        yield hollow_deepseek_v3(Path(scratch) / "DeepSeek-V3")


def _parse_once(folder: Path) -> list[object]:
    """Config, index and every header, all of them kept."""
    parsed: list[object] = [json.loads(path.read_bytes()) for path in folder.glob("*.json")]
    for path in folder.glob("*.safetensors"):
        with open(path, "rb") as file:
            parsed.append(json.loads(file.read(int.from_bytes(file.read(8), "little"))))
    return parsed


def _memory_above_imports(folder: Path) -> float:
    """Peak MB of a process that inspects, above what it held after its imports.

    By VmHWM, because ``ru_maxrss`` of a child begins at its parent's.
    """
    program = (
        "import sys\n"
        "from gated_ray.inspection.models import inspect_model\n"
        "from gated_ray.settings import InspectSettings\n"
        "def kib(name):\n"
        "    lines = open('/proc/self/status').read().splitlines()\n"
        "    return next(int(line.split()[1]) for line in lines if line.startswith(name))\n"
        "held = kib('VmRSS')\n"
        "inspect_model(sys.argv[1], InspectSettings())\n"
        "print(kib('VmHWM') - held)\n"
    )
    run = subprocess.run([sys.executable, "-c", program, str(folder)], check=True, capture_output=True, text=True)
    return int(run.stdout) * 1024 / 1e6


def run() -> list[Ratio]:
    """The ratios of this benchmark."""
    with _hollow() as folder:
        inspect, parse = alternating(
            _REPEATS, lambda: inspect_model(str(folder), InspectSettings()), lambda: _parse_once(folder)
        )
        memory = _memory_above_imports(folder)
    return [
        Ratio("inspect / parse headers", inspect / parse, "x", 20.0, f"{inspect:.2f} s / {parse:.2f} s"),
        Ratio("inspect, memory above imports", memory, "MB", 300.0, "688 GB in 91,991 tensors"),
    ]
