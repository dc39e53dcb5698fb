"""The atlas of the paper's 12 models at full size: writing it, its size, and how long it keeps the reader waiting.

Their neurons are made up from the published class counts. Takes a minute or two, and needs Chromium (``make browser``).
"""

import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from unittest import mock

from gated_ray.reports.published_tables import class_counts
from gated_ray.settings import StoreSettings
from gated_ray.store.objects import open_objects
from tests.benchmarks.measure import Ratio, memory_above_imports
from tests.checkpoints.paper_models import PAPER_MODELS
from tests.reports.atlas.made_up import MadeUpBlock, store_model
from tests.reports.atlas.opening import Browsing, started_browser
from tests.reports.atlas.sites import address
from tests.reports.atlas.timing import first_view, layer_change

_LARGE = "google/gemma-2-9b"
_FIRST_VIEW, _LAYER_CHANGE, _WEIGHT = 2000.0, 200.0, 3.0
_REPEATS = 5

_IMPORTS = (
    "from gated_ray.reports.atlas import write_atlas\nfrom gated_ray.settings import ReportSettings, StoreSettings"
)
_WRITE = "write_atlas(ReportSettings(store=StoreSettings(url=sys.argv[1] + '/store'), out=sys.argv[1] + '/{}'))"


def run() -> list[Ratio]:
    """The ratios of this benchmark."""
    with TemporaryDirectory() as scratch:
        _store_paper_models(Path(scratch))
        return [*_writing(Path(scratch)), *_reading(Path(scratch) / "report" / "index.html")]


def _store_paper_models(folder: Path) -> None:
    objects = open_objects(StoreSettings(url=str(folder / "store")))
    with mock.patch("os.fsync"):
        for model in PAPER_MODELS.values():
            counts = class_counts(model.name)
            blocks = (MadeUpBlock(layer, counts[layer], d_model=model.d_model) for layer in range(model.layers))
            store_model(objects, model.name, blocks)


def _writing(folder: Path) -> list[Ratio]:
    program = f"import sys\n{_IMPORTS}\n{_WRITE.format('report')}"
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", program, str(folder)], check=True)
    seconds = time.monotonic() - started
    memory = memory_above_imports(_IMPORTS, _WRITE.format("again"), str(folder))
    files = [path for path in (folder / "report").rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files) / 1e6
    neurons = sum(model.neurons for model in PAPER_MODELS.values())
    return [
        Ratio("atlas, written", seconds, "s", None, f"{neurons:,} neurons of 12 models, in a process of its own"),
        Ratio("atlas, size", size, "MB", None, f"{len(files)} files; {1e6 * size / neurons:.1f} bytes a neuron"),
        Ratio("atlas, memory", memory, "MB", None, "peak above what was held after the imports"),
    ]


def _reading(page: Path) -> list[Ratio]:
    with started_browser() as browser:
        browsing = Browsing(browser)
        opened = browsing.open(page.as_uri())
        weight = opened.bytes / 1e6
        views = [first_view(browsing, page.as_uri()) for _ in range(_REPEATS)]
        layers = browsing.open(page.as_uri() + address(_LARGE, 0, "mlp"))
        change = layer_change(layers, [1, 2, 3, 4, 5, 4, 3, 2, 1])
    return [
        Ratio(
            "atlas, weight of the first view", weight, "MB", _WEIGHT, f"{len(opened.requests)} files, not compressed"
        ),
        Ratio(
            "atlas, first view",
            median(views),
            "ms",
            _FIRST_VIEW,
            f"median of {_REPEATS}, {min(views):.0f} to {max(views):.0f} ms",
        ),
        Ratio("atlas, another layer", change, "ms", _LAYER_CHANGE, "14,336 neurons, median of 9, to the next frame"),
    ]
