"""What a sweep says before and after: the plan, and the models with the share of each class."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from gated_ray.cluster.failures import Failure
from gated_ray.cluster.notes import model_note
from gated_ray.cluster.plan import PlannedModel
from gated_ray.vocabulary import counted

_GB = 1e9
_UNSEEN = 140
"""Columns where nobody looks at a window, as in a log."""
_UNBOUNDED = 10_000

ModelCounts = tuple[Mapping[str, Any], Mapping[str, int | None]]
"""A model's row of the models table, and its neurons by class; None for a class that it cannot have."""

_HEADS = {
    "enrichment": "enr",
    "atypical_enrichment": "~\nenr",
    "conditional_enrichment": "c.\nenr",
    "atypical_conditional_enrichment": "~c.\nenr",
    "proportional_change": "prop",
    "atypical_proportional_change": "~\nprop",
    "orthogonal_output": "orth",
    "conditional_depletion": "c.\ndep",
    "atypical_conditional_depletion": "~c.\ndep",
    "depletion": "dep",
    "atypical_depletion": "~\ndep",
}


_LEGEND = (
    "enr enrichment, prop proportional change, orth orthogonal output, dep depletion; c. conditional, ~ atypical; "
    "no cos: neurons without one"
)


def console() -> Console:
    console = Console(highlight=False, markup=False, emoji=False)  # names may hold [brackets] and :colons:
    if not console.is_terminal:
        console.width = max(console.width, _UNSEEN)
    return console


def table_of_models(title: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=0)
    table.add_column("model", overflow="fold", min_width=12)
    return table


def print_table(out: Console, table: Table) -> None:
    """In the window's width, names folded; beyond it rather than with numbers cut short."""
    names = table.columns[0]
    names.max_width = names.min_width
    least = out.measure(table, options=out.options.update(width=_UNBOUNDED)).minimum
    names.max_width = None
    out.width = max(out.width, least)
    out.print(table)


def _print_notes(out: Console, rows: Iterable[Mapping[str, Any]], names: Iterable[str]) -> None:
    for row, name in zip(rows, names, strict=True):
        if note := model_note(row):
            out.print(f"{name}: {note}", soft_wrap=True)


def print_plan(models: Sequence[PlannedModel], failures: Sequence[Failure]) -> None:
    """Models, blocks and GB, what of them remains to be done, and what is to be known of how models were read."""
    table = table_of_models("Plan")
    for head in ("revision", "type", "blocks", "neurons", "GB", "units", "to do", "GB to read"):
        table.add_column(head, justify="left" if head in ("revision", "type") else "right", no_wrap=True)
    for model in models:
        table.add_row(
            model.partition.model,
            model.partition.revision[:18],
            model.row["model_type"] or "-",
            str(model.blocks),
            f"{model.neurons:,}",
            gigabytes(model.size),
            str(model.units),
            "published" if model.is_published else str(model.units_left) if model.units_left else "publish",
            gigabytes(model.size_left),
        )
    out = console()
    print_table(out, table)
    _print_notes(out, (model.row for model in models), (model.partition.model for model in models))
    out.print(
        f"{counted(len(models), 'model')}, {counted(sum(model.units_left for model in models), 'unit')} to do, "
        f"{gigabytes(sum(model.size_left for model in models))} GB to read"
        + (f", {counted(len(failures), 'model')} cannot be read" if failures else "")
    )


def print_models(models: Sequence[ModelCounts]) -> None:
    """One row a published model of this sweep: neurons, share of each class in percent, seconds of work, GB read.

    Below it, what is to be known of how models were read.
    """
    out = console()
    table = table_of_models("Share of each class, %")
    for head in ("neurons", *_HEADS.values(), "no\ncos", "s", "GB"):
        table.add_column(head, justify="right", no_wrap=True)
    for row, counts in models:
        table.add_row(
            f"{row['model_name']} @ {row['requested_revision'] or row['model_revision'][:12]}",
            f"{row['neurons']:,}",
            *("" if count is None else f"{100 * count / row['neurons']:.1f}" for count in counts.values()),
            str(row["neurons_without_cosine"]),
            f"{row['seconds']:.1f}",
            gigabytes(row["bytes_read"]),
        )
    print_table(out, table)
    out.print(_LEGEND)
    _print_notes(out, (row for row, _ in models), (row["model_name"] for row, _ in models))


def gigabytes(count: int) -> str:
    """Bytes as a number of 10^9 bytes."""
    return f"{count / _GB:.3f}"
