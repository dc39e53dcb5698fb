"""What the first view weighs, and how the page stays fluid, with models of the paper's sizes."""

from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest

from gated_ray.reports.atlas import write_atlas
from gated_ray.reports.published_tables import class_counts
from gated_ray.settings import ReportSettings, StoreSettings
from gated_ray.store.objects import open_objects
from tests.checkpoints.paper_models import PAPER_MODELS
from tests.reports.atlas.made_up import MadeUpBlock, store_model, thinned
from tests.reports.atlas.opening import Opened
from tests.reports.atlas.sites import address
from tests.reports.atlas.timing import layer_change

Visit = Callable[..., Opened]

MOST_BYTES = 3_000_000
MOST_MILLISECONDS = 2000
"""Of a layer change here, where other work may have the processors; the benchmark holds the true limit, 200."""

LARGE = "google/gemma-2-9b"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The paper's 12 models with all their layers: few neurons each, but for six whole layers of the largest."""
    folder = tmp_path_factory.mktemp("paper")
    objects = open_objects(StoreSettings(url=str(folder / "store")))
    with mock.patch("os.fsync"):
        for model in PAPER_MODELS.values():
            counts = class_counts(model.name)
            blocks = [
                MadeUpBlock(
                    layer,
                    counts[layer] if model.name == LARGE and layer < 6 else thinned(counts[layer], 1000),
                    d_model=model.d_model,
                )
                for layer in range(model.layers)
            ]
            store_model(objects, model.name, blocks)
    settings = ReportSettings(store=StoreSettings(url=str(folder / "store")), out=str(folder / "report"))
    return write_atlas(settings).page


def test_the_first_view_of_twelve_models_weighs_less_than_three_megabytes(visit: Visit, page: Path) -> None:
    opened = visit(base=page.as_uri())
    assert len(opened.texts(".models tbody tr")) == 12
    assert len(set(opened.requests)) == len(opened.requests)
    assert opened.bytes < MOST_BYTES


def test_a_layer_of_14336_neurons_is_drawn_at_once(visit: Visit, page: Path) -> None:
    opened = visit(address(LARGE, 0, "mlp"), base=page.as_uri())
    assert "of 14,336 neurons" in opened.page.inner_text(".pages")
    assert layer_change(opened, [1, 2, 3, 4, 5, 4, 3]) < MOST_MILLISECONDS
