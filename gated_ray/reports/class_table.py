"""The per-layer class table of one model, and its CSV, Markdown and LaTeX forms."""

from dataclasses import dataclass

import pyarrow as pa

from gated_ray.reports.class_names import class_letters, class_name, letters_legend, require_vocabulary
from gated_ray.reports.layer_rows import (
    LayerRow,
    classes_of,
    component_words,
    components_of,
    layer_rows,
    require_one_model,
    short_revision,
)
from gated_ray.reports.tabular import csv_text, latex_table, markdown_table

_COMPONENT = "component"


@dataclass(frozen=True)
class ClassTable:
    """Neurons per layer and IO class of one model."""

    name: str
    """The model's name, such as ``Qwen/Qwen2.5-0.5B``."""
    revision: str
    profile: str
    classes: tuple[str, ...]
    """The columns: all IO classes in order, or the three of a plain model."""
    rows: tuple[LayerRow, ...]
    vocabulary: str = "io"
    """``io`` or ``rw``: how the classes are named (see `class_names`)."""

    def totals(self) -> list[int]:
        """Neurons of the whole model per class."""
        return [sum(row.counts[name] for row in self.rows) for name in self.classes]

    def shares(self) -> list[float | None]:
        """Per class, the share of the neurons that have a class; None where no neuron has one."""
        classed = sum(row.classed for row in self.rows)
        return [total / classed if classed else None for total in self.totals()]


def class_table(layers: pa.Table, vocabulary: str = "io") -> ClassTable:
    """The class table of one model.

    Args:
        layers: rows of the layers table (schema `LAYERS`) of one model, revision and profile; experts of a layer are added up.
        vocabulary: ``io`` or ``rw``.

    Raises:
        InputError: the table is empty or holds more than one model, or the vocabulary is unknown.
    """
    require_vocabulary(vocabulary)
    model, revision, profile = require_one_model(layers)
    rows = layer_rows(layers)
    return ClassTable(model, revision, profile, classes_of(rows), tuple(rows), vocabulary)


def to_csv(table: ClassTable) -> str:
    """One line a layer and component, plain integers, full class names: for machines, so without totals."""
    names = [class_name(name, table.vocabulary) for name in table.classes]
    head = ["layer", "component", *names, "neurons", "neurons_without_cosine"]
    rows = [
        [row.layer, row.component, *(row.counts[name] for name in table.classes), row.neurons, row.without_cosine]
        for row in table.rows
    ]
    return csv_text([head, *rows])


def to_markdown(table: ClassTable) -> str:
    """A heading, the table with a total and a share row, and what the column heads mean."""
    head, body, foot = _cells(table)
    lines = [
        f"# IO classes of `{table.name}`",
        "",
        f"Revision `{table.revision}`, profile `{table.profile}`. Neurons per layer.",
        "",
        *markdown_table(head, body, foot, words=[_COMPONENT]),
        "",
        f"{_legend(table)}.",
    ]
    return "\n".join(lines) + "\n"


def to_latex(table: ClassTable) -> str:
    r"""A ``table`` float around a booktabs ``tabular``; needs ``\usepackage{booktabs}``."""
    head, body, foot = _cells(table)
    of = f"{table.name} (revision {short_revision(table.revision)}, profile {table.profile})"
    caption = f"Neurons per layer and IO class of {of}. {_legend(table)}."
    gap = 2 if _COMPONENT in head else 3
    lines = latex_table(head, body, foot, caption=caption, words=[_COMPONENT], column_gap=gap)
    return "\n".join([f"% {table.name} at {table.revision}", *lines]) + "\n"


def _cells(table: ClassTable) -> tuple[list[str], list[list[str]], list[list[str]]]:
    """Head, layer rows and foot (total and share) as text; a component column only where there are several components."""
    several = len(components_of(list(table.rows))) > 1
    letters = [class_letters(name, table.vocabulary) for name in table.classes]
    head = ["layer", *([_COMPONENT] if several else []), *letters, "neurons", "no cos."]
    body = []
    for row in table.rows:
        component = [component_words(row.component)] if several else []
        numbers = [*(row.counts[name] for name in table.classes), row.neurons, row.without_cosine]
        body.append([str(row.layer), *component, *(f"{number:,}" for number in numbers)])
    blank = [""] if several else []
    sums = [*table.totals(), sum(row.neurons for row in table.rows), sum(row.without_cosine for row in table.rows)]
    shares = ["" if share is None else f"{100 * share:.1f}" for share in table.shares()]
    foot = [["total", *blank, *(f"{number:,}" for number in sums)], ["share (%)", *blank, *shares, "", ""]]
    return head, body, foot


def _legend(table: ClassTable) -> str:
    legend = letters_legend(table.classes, table.vocabulary)
    return f"{legend}; no cos.: a zero or non-finite vector, no class. Shares are of the neurons with a class"
