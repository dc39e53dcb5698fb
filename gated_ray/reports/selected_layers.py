"""Which layers a figure of a few layers shows."""

from collections.abc import Sequence

from gated_ray.errors import InputError
from gated_ray.reports.layer_rows import LayerRow


def first_quartiles_last(rows: list[LayerRow]) -> list[int]:
    """The first layer of a model, those at the quarters of its depth, and the last; fewer of a shallow model."""
    layers = sorted({row.layer for row in rows})
    return sorted({layers[round(quarter * (len(layers) - 1) / 4)] for quarter in range(5)})


def rows_of_layers(rows: list[LayerRow], selected: Sequence[int] | None) -> list[LayerRow]:
    """The rows of the selected layers, in the order of `rows`; all of them when None.

    Raises:
        InputError: the model has none of these layers.
    """
    if selected is None:
        return rows
    chosen = [row for row in rows if row.layer in set(selected)]
    if not chosen:
        has = f"{min(row.layer for row in rows)} to {max(row.layer for row in rows)}"
        raise InputError(f"layers={list(selected)}: the model has layers {has}")
    return chosen
