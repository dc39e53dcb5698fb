"""What the page takes from the figures, so that both look alike: the names of classes, and the colours of all things."""

from typing import Any

import matplotlib
from matplotlib.colors import to_hex

from gated_ray.reports.class_names import CLASS_ORDER, class_letters, class_words
from gated_ray.reports.figures.bars import COLOURS
from gated_ray.vocabulary import IO_CLASSES, PLAIN_CLASSES

VOCABULARIES = ("io", "rw")
"""The page's names for the authors' vocabularies, and those of `class_names`."""

_LINES = ("#000000", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito, less their yellow: the colours of the figure of medians."""

_BINS = 24
"""Colours that cos(w_gate, w_in) is drawn in: neighbours of more could not be told apart."""
_DARKEST_ON_BLACK = 0.3
"""Where the colour map begins on a dark page, on which its first colours could not be seen."""


def palette() -> dict[str, Any]:
    """The classes by their place in `IO_CLASSES`, in which order a block's are shown, and hex colours for light and dark pages."""
    return {
        "classes": [_look(io_class) for io_class in IO_CLASSES],
        "gated": [IO_CLASSES.index(io_class) for io_class in CLASS_ORDER],
        "plain": [IO_CLASSES.index(io_class) for io_class in CLASS_ORDER if io_class in PLAIN_CLASSES],
        "scale": {"light": _scale(0.0), "dark": _scale(_DARKEST_ON_BLACK)},
        "lines": list(_LINES),
    }


def _look(io_class: str) -> dict[str, Any]:
    typical = io_class.removeprefix("atypical_")
    return {
        "name": io_class,
        "colour": COLOURS[typical],
        "atypical": typical != io_class,
        "words": {vocabulary: class_words(io_class, vocabulary) for vocabulary in VOCABULARIES},
        "letters": {vocabulary: class_letters(io_class, vocabulary) for vocabulary in VOCABULARIES},
    }


def _scale(start: float) -> list[str]:
    colours = matplotlib.colormaps["viridis"]
    return [to_hex(colours(start + (1 - start) * step / (_BINS - 1))) for step in range(_BINS)]
