"""One x axis for the layers of several components: each component has a section of its own, named above it."""

from dataclasses import dataclass
from itertools import pairwise

from matplotlib.axes import Axes

from gated_ray.reports.figures.style import GREY, NOTE_COLOUR
from gated_ray.reports.layer_rows import LayerRow, component_words, components_of

_GAP, _LETTER, _TICK = 0.16, 0.058, 0.24  # inches: between sections, a letter of a section's name, a tick's label
_STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500)


@dataclass(frozen=True)
class Section:
    """The layers of one component on the shared axis."""

    words: str
    layers: tuple[int, ...]
    shift: float
    """Position of a layer less its number."""
    end: float
    """The section's right end, half a position beyond its last layer, or beyond its name where that is longer."""

    def position(self, layer: int) -> float:
        return layer + self.shift

    @property
    def start(self) -> float:
        return self.layers[0] + self.shift - 0.5


@dataclass(frozen=True)
class LayerAxis:
    """The sections of a model, on an axis of given length."""

    sections: dict[str, Section]
    """By component."""
    step: int
    """Every so many layers are labelled."""

    def position(self, row: LayerRow) -> float:
        return self.sections[row.component].position(row.layer)

    def draw(self, axes: Axes, named: bool) -> None:
        """Limits, ticks and separators; the components' names above the axes where `named`."""
        sections = list(self.sections.values())
        axes.set_xlim(sections[0].start - 0.2, sections[-1].end + 0.2)
        labelled = [
            (section, layer)
            for section in sections
            for layer in ([layer for layer in section.layers if layer % self.step == 0] or section.layers[:1])
        ]
        axes.set_xticks([section.position(layer) for section, layer in labelled], [str(layer) for _, layer in labelled])
        for before, after in pairwise(sections):
            axes.axvline((before.end + after.start) / 2, color=GREY, linewidth=0.4, zorder=0.4)
        if named and len(sections) > 1:
            for section in sections:
                axes.text(
                    section.start,
                    1.02,
                    section.words,
                    transform=axes.get_xaxis_transform(),
                    va="bottom",
                    fontsize=6.5,
                    color=NOTE_COLOUR,
                )


def layer_axis(rows: list[LayerRow], inches: float) -> LayerAxis:
    """The sections of these rows on an axis so long, none of them shorter than its name."""
    layers = {name: tuple(sorted(row.layer for row in rows if row.component == name)) for name in components_of(rows)}
    names = {name: component_words(name) for name in layers}
    spans = {name: of[-1] - of[0] + 1 for name, of in layers.items()}
    least = {name: _LETTER * len(words) if len(layers) > 1 else 0.0 for name, words in names.items()}
    widened: set[str] = set()
    while True:
        free = inches - _GAP * (len(layers) - 1) - sum(least[name] for name in widened)
        unit = free / max(1, sum(span for name, span in spans.items() if name not in widened))
        found = {name for name, span in spans.items() if span * unit < least[name]} - widened
        if not found:
            break
        widened |= found
    sections = {}
    start = 0.0
    for name, of in layers.items():
        length = least[name] / unit if name in widened else float(spans[name])
        sections[name] = Section(names[name], of, start + 0.5 - of[0], start + length)
        start += length + _GAP / unit
    return LayerAxis(sections, next((step for step in _STEPS if step * unit >= _TICK), _STEPS[-1]))
