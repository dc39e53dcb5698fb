"""How every figure looks and is written, whatever the reader's matplotlibrc says.

Figures are made without pyplot: no global state, nothing to close.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import matplotlib.style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

WIDTH = 6.9
"""Inches: the text width of a two-column page, or of a one-column page with normal margins."""
COLUMN = 3.3
"""Inches: a column of a two-column page."""
WIDTHS = {"page": WIDTH, "column": COLUMN}

TALLEST = 9.0
"""Inches: the text height of a page."""

GREY = "#8C8C8C"
NOTE_COLOUR = "#444444"

COSINE_WORDS = {
    "cos_gate_in": "cos($w_\\mathrm{gate}$, $w_\\mathrm{in}$)",
    "cos_gate_out": "cos($w_\\mathrm{gate}$, $w_\\mathrm{out}$)",
    "cos_in_out": "cos($w_\\mathrm{in}$, $w_\\mathrm{out}$)",
}
"""The cosines as axes are labelled."""

_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 7.5,
    "axes.titlesize": 8,
    "axes.labelsize": 7.5,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "hatch.linewidth": 0.5,
    "pdf.fonttype": 42,  # editors and journals refuse Type 3 fonts
    "savefig.dpi": 300,
    "figure.dpi": 150,
}


@contextmanager
def styled() -> Iterator[None]:
    """Matplotlib's defaults and our style inside the block; what was set before comes back after it."""
    with matplotlib.style.context(["default", _STYLE]):
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of this size in inches, drawn by Agg."""
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def shortened(text: str, letters: int) -> str:
    """The text, or its beginning and an ellipsis where it has more letters than there is room for."""
    return text if len(text) <= letters else f"{text[: letters - 1]}…"


def save_figure(figure: Figure, stem: Path) -> list[Path]:
    """Write ``stem.pdf`` and ``stem.png``; the same figure gives the same bytes (no date in the PDF). Returns both paths."""
    paths = []
    with styled():
        for suffix, metadata in ((".pdf", {"CreationDate": None}), (".png", {})):
            content = BytesIO()
            figure.savefig(content, format=suffix[1:], metadata=metadata)
            path = stem.with_name(stem.name + suffix)
            path.write_bytes(content.getvalue())
            paths.append(path)
    return paths
