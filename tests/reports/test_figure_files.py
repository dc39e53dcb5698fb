import os
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import matplotlib
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from gated_ray.reports.figures import (
    COLUMN,
    class_bars,
    cosine_boxes,
    cosine_scatter,
    cosines_and_norms,
    expert_heatmap,
    median_curves,
    save_figure,
    training_shares,
)
from gated_ray.reports.published_tables import class_counts
from gated_ray.reports.quantiles import model_quantiles
from gated_ray.vocabulary import IO_CLASSES
from tests.reports.synthetic import block, blocks, tables

QWEN = class_counts("Qwen/Qwen2.5-0.5B")
GATED = blocks({layer: {name: n // 20 for name, n in QWEN[layer].items()} for layer in (3, 4)})
PLAIN = blocks({layer: class_counts("EleutherAI/pythia-14m")[layer] for layer in (1, 2)})
EXPERTS = [block(0, dict.fromkeys(IO_CLASSES, 2), "expert", number) for number in range(2)]
NAME = "org/with_$pecial_name$"

FIGURES: dict[str, Callable[[], Figure]] = {
    "bars": lambda: class_bars(tables(NAME, GATED)[1]),
    "scatter": lambda: cosine_scatter(*tables(NAME, GATED)[:2]),
    "histograms": lambda: cosine_scatter(*tables(NAME, PLAIN)[:2]),
    "medians": lambda: median_curves(*tables(NAME, GATED)[1:]),
    "key": lambda: median_curves(*tables(NAME, GATED)[1:], width=COLUMN),
    "boxes": lambda: cosine_boxes(model_quantiles(*tables(NAME, GATED)[:2]), tables(NAME, GATED)[1]),
    "crossing": lambda: cosines_and_norms(*tables(NAME, GATED)[:2]),
    "experts": lambda: expert_heatmap(tables(NAME, EXPERTS)[1]),
    "training": lambda: training_shares(*tables(NAME, GATED)[1:]),
}


WRITTEN = ("bars", "scatter", "histograms", "medians")
"""One of each kind of artist; writing takes seconds."""


def pdf_text(path: Path) -> bytes:
    """A PDF's bytes with its compressed streams opened."""
    content = path.read_bytes()
    opened = [content]
    for piece in content.split(b"stream\n")[1:]:
        try:
            opened.append(zlib.decompress(piece))
        except zlib.error:
            continue
    return b"\n".join(opened)


@pytest.mark.parametrize("name", WRITTEN)
def test_pdf_and_png_are_written_with_truetype_fonts_and_equal_the_second_time(name: str, tmp_path: Path) -> None:
    first, second = (save_figure(FIGURES[name](), tmp_path / f"{run}.{name}") for run in ("first", "second"))
    assert [path.name for path in first] == [f"first.{name}.pdf", f"first.{name}.png"]
    assert first[0].read_bytes().startswith(b"%PDF-")
    assert first[1].read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    pdf = pdf_text(first[0])
    assert b"/CIDFontType2" in pdf
    assert b"/Type3" not in pdf


def test_neither_pyplot_nor_the_readers_settings_are_touched() -> None:
    code = """
import sys, tempfile, matplotlib
from pathlib import Path
from gated_ray.reports.figures import save_figure
from tests.reports.test_figure_files import FIGURES
matplotlib.rcParams.update({"font.size": 23, "axes.facecolor": "pink", "pdf.fonttype": 3, "axes.spines.top": True})
before = dict(matplotlib.rcParams)
for name, make in FIGURES.items():
    figure = make()
    assert figure.axes[0].get_facecolor() == (1, 1, 1, 1), name
    if name in ("bars", "scatter"):
        with tempfile.TemporaryDirectory() as folder:
            save_figure(figure, Path(folder) / name)
assert "matplotlib.pyplot" not in sys.modules
assert dict(matplotlib.rcParams) == before
"""
    # Without a backend named, looking at the settings would itself import pyplot.
    environment = {**os.environ, "MPLBACKEND": "agg"}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2], env=environment)


def test_the_readers_settings_change_nothing_in_the_files(tmp_path: Path) -> None:
    plain = save_figure(FIGURES["bars"](), tmp_path / "plain")
    theirs = {"font.size": 23, "lines.linewidth": 9, "savefig.dpi": 20, "pdf.fonttype": 3, "savefig.bbox": "tight"}
    with matplotlib.rc_context(theirs):
        other = save_figure(FIGURES["bars"](), tmp_path / "other")
    assert [path.read_bytes() for path in plain] == [path.read_bytes() for path in other]


@pytest.mark.parametrize("name", FIGURES)
def test_names_are_not_read_as_mathematics(name: str) -> None:
    figure = FIGURES[name]()
    texts = [text for text in figure.findobj(Text) if NAME in text.get_text()]
    assert texts
    assert not any(text.get_parse_math() for text in texts)
