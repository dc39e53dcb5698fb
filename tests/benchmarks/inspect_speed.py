"""Inspecting DeepSeek-V3's headers, 91,991 tensors in 163 shards, against parsing the same JSON; and memory."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from gated_ray.inspection.models import inspect_model
from gated_ray.settings import InspectSettings
from tests.benchmarks.measure import Ratio, alternating, memory_above_imports
from tests.checkpoints.deepseek_v3 import hollow_deepseek_v3

_REPEATS = 5

_IMPORTS = "from gated_ray.inspection.models import inspect_model\nfrom gated_ray.settings import InspectSettings"
_WORK = "inspect_model(sys.argv[1], InspectSettings())"


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


def run() -> list[Ratio]:
    """The ratios of this benchmark."""
    with _hollow() as folder:
        inspect, parse = alternating(
            _REPEATS, lambda: inspect_model(str(folder), InspectSettings()), lambda: _parse_once(folder)
        )
        memory = memory_above_imports(_IMPORTS, _WORK, str(folder))
    return [
        Ratio("inspect / parse headers", inspect / parse, "x", 20.0, f"{inspect:.2f} s / {parse:.2f} s"),
        Ratio("inspect, memory above imports", memory, "MB", 300.0, "688 GB in 91,991 tensors"),
    ]
