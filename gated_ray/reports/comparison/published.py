"""A model's class table in the store against the published one: exactly equal, or what differs."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import pairwise

import pyarrow as pa

from gated_ray.reports.class_names import CLASS_ORDER
from gated_ray.reports.layer_rows import layer_rows, stack_of
from gated_ray.reports.published_tables import class_counts
from gated_ray.vocabulary import counted

_COLUMNS = ["layer", "component", "neurons_without_cosine", *CLASS_ORDER]

Counts = Mapping[str, int | None]
"""IO class -> neurons; None where the block has no such class."""


@dataclass(frozen=True)
class Cell:
    """One layer and class with two numbers."""

    layer: int
    io_class: str
    published: int
    found: int


@dataclass(frozen=True)
class PublishedComparison:
    """One model of the store against the published table of one model."""

    published: str
    """The name of the published model."""
    layers: int
    classes: int
    neurons: int
    """Of the published table, as `layers` and `classes` are."""
    missing: tuple[str, ...]
    """Whole layers and classes that one of both lacks, and neurons without a class, in words."""
    cells: tuple[Cell, ...]
    """Numbers that differ, where both have one."""

    @property
    def equal(self) -> bool:
        """Whether every published layer and class is there with the same number, and nothing besides."""
        return not self.missing and not self.cells

    @property
    def verdict(self) -> str:
        """In one line, less the name of what was compared."""
        if self.equal:
            size = f"{counted(self.layers, 'layer')}, {self.classes} classes, {counted(self.neurons, 'neuron')}"
            return f"equal to the published table of {self.published} ({size})"
        differing = [f"{len(self.cells):,} of {self.layers * self.classes:,} cells"] if self.cells else []
        return f"differs from the published table of {self.published}: {'; '.join([*differing, *self.missing])}"


def compare_with_published(layers: pa.Table, published: str) -> PublishedComparison:
    """Every layer and class of one model against the published table of the model called `published`.

    Args:
        layers: rows of the layers table (schema `LAYERS`) of one model, revision and profile. The layers of an encoder and a
            decoder are numbered through, as the published ones are.
        published: the name under which the table was published.

    Raises:
        InputError: no table was published under this name, or the layers are of several models.
    """
    expected = class_counts(published)
    blocks = _blocks(layers)
    found = {layer: of_layer[0] for layer, of_layer in blocks.items()}
    missing = []
    if gone := expected.keys() - found.keys():
        missing.append(f"{layer_words(gone)} missing")
    if extra := found.keys() - expected.keys():
        missing.append(f"{layer_words(extra)} not published")
    if several := [layer for layer, of_layer in blocks.items() if len(of_layer) > 1]:
        missing.append(f"several MLPs where one was published, in {layer_words(several)}")
    missing += _classes(expected, found)
    if unclassed := sum(row["neurons_without_cosine"] or 0 for row in layers.select(_COLUMNS).to_pylist()):
        missing.append(f"{counted(unclassed, 'neuron')} without a class")
    cells = [
        Cell(layer, name, number, there)
        for layer, classes in sorted(expected.items())
        for name, number in classes.items()
        if (there := found.get(layer, {}).get(name)) is not None and there != number
    ]
    return PublishedComparison(
        published,
        layers=len(expected),
        classes=len(next(iter(expected.values()))),
        neurons=sum(sum(classes.values()) for classes in expected.values()),
        missing=tuple(missing),
        cells=tuple(cells),
    )


def layer_words(layers: Collection[int]) -> str:
    """Layers in words: ``layer 7``, ``layers 0-3, 7``."""
    numbers = sorted(layers)
    starts = [numbers[0], *(after for before, after in pairwise(numbers) if after != before + 1)]
    ends = [*(before for before, after in pairwise(numbers) if after != before + 1), numbers[-1]]
    parts = [f"{start}-{end}" if start != end else f"{start}" for start, end in zip(starts, ends, strict=True)]
    return f"layer{'s' if len(numbers) > 1 else ''} {', '.join(parts)}"


def _blocks(layers: pa.Table) -> dict[int, list[Counts]]:
    """The counts of every block by its layer, numbered through stacks in the order of reports."""
    rows = layers.select(_COLUMNS).to_pylist()
    stacks: dict[str, int] = defaultdict(int)
    for row in layer_rows(layers):
        stack = stack_of(row.component)
        stacks[stack] = max(stacks[stack], row.layer + 1)
    first, start = {}, 0
    for stack, length in stacks.items():
        first[stack] = start
        start += length
    blocks = defaultdict(list)
    for row in rows:
        blocks[first[stack_of(row["component"])] + row["layer"]].append({name: row[name] for name in CLASS_ORDER})
    return dict(blocks)


def _classes(expected: Mapping[int, Mapping[str, int]], found: Mapping[int, Counts]) -> list[str]:
    """Classes that a layer of one of both lacks, each with its layers."""
    lacking: dict[tuple[str, str], list[int]] = defaultdict(list)
    for layer in sorted(expected.keys() & found.keys()):
        for name in CLASS_ORDER:
            there, published = found[layer][name] is not None, name in expected[layer]
            if there != published:
                lacking[name, "missing" if published else "not published"].append(layer)
    everywhere = len(expected.keys() & found.keys())
    return [
        f"{name} {how}{'' if len(layers) == everywhere else f' in {layer_words(layers)}'}"
        for (name, how), layers in lacking.items()
    ]
