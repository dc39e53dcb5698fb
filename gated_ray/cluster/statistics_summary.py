"""What activation statistics say before and after: the plan, and the models with what was counted."""

from collections.abc import Mapping, Sequence
from typing import Any

from gated_ray.cluster.failures import Failure
from gated_ray.cluster.plan import PlannedModel
from gated_ray.cluster.summary import ModelsTable
from gated_ray.cluster.tables import console, print_table, table_of_models
from gated_ray.store.activation_schemas import ACTIVATION_MODELS
from gated_ray.store.objects import Objects
from gated_ray.store.parquet import from_parquet
from gated_ray.store.publication import read_publication
from gated_ray.vocabulary import counted


def print_statistics_plan(models: Sequence[PlannedModel], failures: Sequence[Failure]) -> None:
    """Models, their shards of tokens, and what of them remains to be done."""
    table = table_of_models("Plan")
    for head in ("revision", "dataset", "neurons", "tokens", "shards", "to do", "tokens to do"):
        table.add_column(head, justify="left" if head in ("revision", "dataset") else "right", no_wrap=True)
    for model in models:
        table.add_row(
            model.partition.model,
            model.partition.revision[:18],
            model.partition.dataset,
            f"{model.neurons:,}",
            f"{model.size:,}",
            str(model.units),
            "published" if model.is_published else str(model.units_left) if model.units_left else "publish",
            f"{model.size_left:,}",
        )
    out = console()
    print_table(out, table)
    out.print(
        f"{counted(len(models), 'model')}, {sum(model.size_left for model in models):,} tokens to do"
        + (f", {counted(len(failures), 'model')} cannot be run" if failures else "")
    )


def _row(objects: Objects, model: PlannedModel) -> Mapping[str, Any] | None:
    publication = read_publication(objects, model.partition)
    if publication is None:
        return None
    (key,) = publication.keys("activation_models")
    (row,) = from_parquet(objects.get(key), ACTIVATION_MODELS).to_pylist()
    return dict(row)


def _print_models(rows: Sequence[Mapping[str, Any]]) -> None:
    table = table_of_models("Activation statistics")
    for head in ("dataset", "documents", "cut", "tokens", "neurons", "not finite", "s", "tokens/s"):
        table.add_column(head, justify="left" if head == "dataset" else "right", no_wrap=True)
    for row in rows:
        table.add_row(
            f"{row['model_name']} @ {row['requested_revision'] or row['model_revision'][:12]}",
            row["dataset_name"],
            f"{row['documents']:,}",
            f"{row['cut_documents']:,}",
            f"{row['tokens']:,}",
            f"{row['neurons']:,}",
            f"{row['nan_tokens']:,}",
            f"{row['seconds']:.1f}",
            f"{row['tokens'] / row['seconds']:,.0f}" if row["seconds"] else "",
        )
    out = console()
    print_table(out, table)
    out.print("cut: documents longer than the model's context; not finite: values of neurons at tokens, in no mean")


STATISTICS = ModelsTable(_row, _print_models)
"""What was counted of them."""
