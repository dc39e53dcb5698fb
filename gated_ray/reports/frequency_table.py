"""The frequency table of one model over one dataset, beside the published numbers where there are any; CSV, Markdown and LaTeX."""

from dataclasses import dataclass

from gated_ray.reports.class_names import class_name, class_words
from gated_ray.reports.frequencies import ClassFrequency
from gated_ray.reports.layer_rows import short_revision
from gated_ray.reports.published_tables import PublishedFrequency, activation_frequencies
from gated_ray.reports.tabular import csv_text, latex_table, markdown_table

_CLASS = "class"
_WHAT = (
    "Mean share of tokens with gate > 0, over the neurons of each IO class and over as many neurons drawn (seeded) from the same "
    "layers outside the class, or all of them where there are fewer. Neurons that saw no token are left out"
)


@dataclass(frozen=True)
class FrequencyTable:
    """How often the gate is positive, by class."""

    name: str
    """The model's name."""
    revision: str
    dataset: str
    rows: tuple[ClassFrequency, ...]
    published: dict[str, PublishedFrequency]
    """By class; empty where nothing is published on the model."""
    vocabulary: str = "io"


def frequency_table(
    name: str, revision: str, dataset: str, rows: list[ClassFrequency], vocabulary: str = "io"
) -> FrequencyTable:
    """The table of one model, with what is published on a model of this name.

    Args:
        name, revision: of the model, as in the store.
        dataset: name of the token dataset.
        rows: as `class_frequencies` makes them.
        vocabulary: ``io`` or ``rw`` (see `class_names`).
    """
    return FrequencyTable(name, revision, dataset, tuple(rows), activation_frequencies(name), vocabulary)


def to_csv(table: FrequencyTable) -> str:
    """One line a class, in the units of the dataset (shares of tokens, 0 to 1), full class names."""
    head = ["io_class", "neurons", "freq_gate_positive", "drawn_neurons", "freq_drawn_same_layers"]
    if table.published:
        head += ["published_freq_gate_positive", "published_freq_random_same_layers"]
    rows = []
    for row in table.rows:
        cells = [class_name(row.io_class, table.vocabulary), len(row.frequencies), _number(row.mean, 6)]
        cells += [len(row.drawn), _number(row.drawn_mean, 6)]
        if table.published:
            known = table.published.get(row.io_class)
            cells += [known.of_class, known.of_random] if known else ["", ""]
        rows.append(cells)
    return csv_text([head, *rows])


def to_markdown(table: FrequencyTable) -> str:
    """A heading, the table, and what it holds."""
    head, body = _cells(table)
    lines = [
        f"# Frequency of gate > 0 in `{table.name}`",
        "",
        f"Revision `{table.revision}`, dataset `{table.dataset}`.",
        "",
        *markdown_table(head, body, words=[_CLASS]),
        "",
        f"{_legend(table)}.",
    ]
    return "\n".join(lines) + "\n"


def to_latex(table: FrequencyTable) -> str:
    r"""A ``table`` float around a booktabs ``tabular``; needs ``\usepackage{booktabs}``."""
    head, body = _cells(table)
    of = f"{table.name} (revision {short_revision(table.revision)}) over {table.dataset}"
    caption = f"Frequency of gate > 0 in {of}. {_legend(table)}."
    lines = latex_table(head, body, caption=caption, words=[_CLASS], column_gap=5)
    return "\n".join([f"% {table.name} at {table.revision}, {table.dataset}", *lines]) + "\n"


def _cells(table: FrequencyTable) -> tuple[list[str], list[list[str]]]:
    head = [_CLASS, "neurons", "frequency", "drawn", "frequency of drawn"]
    if table.published:
        head += ["published", "published, random"]
    body = []
    for row in table.rows:
        cells = [class_words(row.io_class, table.vocabulary), f"{len(row.frequencies):,}", _number(row.mean, 3)]
        cells += [f"{len(row.drawn):,}", _number(row.drawn_mean, 3)]
        if table.published:
            known = table.published.get(row.io_class)
            cells += [f"{known.of_class:.3f}", f"{known.of_random:.3f}"] if known else ["", ""]
        body.append(cells)
    return head, body


def _legend(table: FrequencyTable) -> str:
    published = "; published: arXiv 2505.17936, over its own texts and its own draw" if table.published else ""
    return f"{_WHAT}{published}"


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
