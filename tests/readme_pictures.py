"""``python -m tests.readme_pictures``: draws the README's pictures again, from checkpoints that the repository ships or plants."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from matplotlib.figure import Figure

import gated_ray
from gated_ray.reports.figures import class_bars, cosine_scatter
from gated_ray.reports.figures.style import styled
from gated_ray.reports.layer_rows import layer_rows
from gated_ray.reports.selected_layers import first_quartiles_last
from tests.checkpoints.demo import NAME, ensure_stand_in

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
TRAINED = ROOT / "tests" / "data" / "tiny-docs-llama"
_DOTS_PER_INCH = 220


def pictures() -> Iterator[tuple[str, Figure]]:
    """File name below ``docs/`` and figure, one after another."""
    with tempfile.TemporaryDirectory() as folder:
        planted = gated_ray.analyze(str(ensure_stand_in(Path(folder))), regions="none")
    yield "class-bars.png", class_bars(planted.layers, NAME)
    trained = gated_ray.analyze(f"{TRAINED}@main")
    few = first_quartiles_last(layer_rows(trained.layers))
    yield "cosine-scatter.png", cosine_scatter(trained.neurons, trained.layers, f"{TRAINED.name} @ main", few)


def save(figure: Figure, path: Path) -> None:
    with styled():
        figure.savefig(path, dpi=_DOTS_PER_INCH)


if __name__ == "__main__":
    for name, figure in pictures():
        save(figure, DOCS / name)
        print(DOCS / name)
