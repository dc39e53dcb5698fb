"""What a sweep says before and after: the plan, and the models with the share of each class."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
from rich import box
from rich.console import Console
from rich.table import Table

from gated_ray.cluster.plan import Failure, Plan
from gated_ray.vocabulary import IO_CLASSES

_GB = 1e9
_NARROWEST = 140
"""Columns, so that no class is squeezed out in a log or a narrow window."""

_HEADS = {
    "enrichment": "enr",
    "atypical_enrichment": "~enr",
    "conditional_enrichment": "c.enr",
    "atypical_conditional_enrichment": "~c.enr",
    "proportional_change": "prop",
    "atypical_proportional_change": "~prop",
    "orthogonal_output": "orth",
    "conditional_depletion": "c.dep",
    "atypical_conditional_depletion": "~c.dep",
    "depletion": "dep",
    "atypical_depletion": "~dep",
}


_LEGEND = (
    "enr enrichment, prop proportional change, orth orthogonal output, dep depletion; c. conditional, ~ atypical; "
    "no cos: neurons without one"
)


def _console() -> Console:
    width = max(Console().width, _NARROWEST)
    return Console(highlight=False, markup=False, emoji=False, width=width)  # names may hold [brackets] and :colons:


def _table(title: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("model", overflow="fold", min_width=24)
    return table


def print_plan(plan: Plan) -> None:
    """Models, blocks and GB, and what of them remains to be done."""
    table = _table("Plan")
    for head in ("revision", "type", "blocks", "neurons", "GB", "units", "to do", "GB to read"):
        table.add_column(head, justify="left" if head in ("revision", "type") else "right", no_wrap=True)
    for model in plan.models:
        table.add_row(
            model.partition.model,
            model.partition.revision[:18],
            model.publishing.model_row["model_type"] or "-",
            str(len(model.blocks)),
            f"{sum(block.neurons for block in model.blocks):,}",
            _gb(sum(unit.bytes for unit in model.units)),
            str(len(model.units)),
            "published" if model.is_published else str(len(model.remaining)) if model.remaining else "publish",
            _gb(sum(unit.bytes for unit in model.remaining)),
        )
    remaining = [unit for model in plan.models for unit in model.remaining]
    out = _console()
    out.print(table)
    out.print(
        f"{len(plan.models)} models, {len(remaining)} units to do, {_gb(sum(unit.bytes for unit in remaining))} GB to read"
        + (f", {len(plan.failures)} models cannot be read" if plan.failures else "")
    )


def print_summary(layers: pa.Table, models: pa.Table, failures: Sequence[Failure], seconds: float) -> None:
    """One row a published model of this sweep: neurons, share of each class in percent, seconds of work, GB read.

    Args:
        layers: rows of the layers table of these models.
        models: their rows of the models table.
        failures: what could not be done.
        seconds: how long the sweep took.
    """
    out = _console()
    table = _table("Share of each class, %")
    for head in ("neurons", *_HEADS.values(), "no cos", "s", "GB"):
        table.add_column(head, justify="right", no_wrap=True)
    for row in models.to_pylist():
        mine = layers.filter(
            pc.and_(
                pc.equal(layers["model_name"], row["model_name"]),
                pc.equal(layers["model_revision"], row["model_revision"]),
            )
        )
        counts = {name: pc.sum(mine[name]).as_py() for name in IO_CLASSES}
        shares = ["" if count is None else f"{100 * count / row['neurons']:.1f}" for count in counts.values()]
        table.add_row(
            f"{row['model_name']} @ {row['requested_revision'] or row['model_revision'][:12]}",
            f"{row['neurons']:,}",
            *shares,
            str(row["neurons_without_cosine"]),
            f"{row['seconds']:.1f}",
            _gb(row["bytes_read"]),
        )
    if models.num_rows:
        out.print(table)
        out.print(_LEGEND)
    neurons = pc.sum(models["neurons"]).as_py() or 0
    out.print(f"{models.num_rows} models, {neurons:,} neurons, {len(failures)} failures, {seconds:.1f} s")


def _gb(count: int) -> str:
    return f"{count / _GB:.3f}"
