"""Reports without seconds of drawing."""

from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from matplotlib.figure import Figure

from gated_ray.reports import model_files, report


def saved(figure: Figure, stem: Path) -> list[Path]:
    """In the place of `save_figure`: files that say how wide the figure is."""
    paths = [stem.with_name(f"{stem.name}.{suffix}") for suffix in ("pdf", "png")]
    for path in paths:
        path.write_text(f"{figure.get_figwidth()}")
    return paths


@pytest.fixture
def quick() -> Iterator[None]:
    """Figures are made and laid down as their widths."""
    with mock.patch.object(report, "save_figure", saved), mock.patch.object(model_files, "save_figure", saved):
        yield
