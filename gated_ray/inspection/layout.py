"""An inspection as lines: folded to a window's width, or one a kind of block where there is no window."""

from collections.abc import Sequence
from textwrap import wrap

from gated_ray.inspection.descriptions import Row
from gated_ray.inspection.models import Inspection
from gated_ray.inspection.wording import layer_ranges, sentences
from gated_ray.vocabulary import counted

_GB = 1e9


def lines_of(model: Inspection, width: int | None) -> list[str]:
    """How it was read, every kind of block, what is left out, and the sums.

    Args:
        model: what to show.
        width: most columns of a line; None for unfolded lines that each name the model, for pipes.
    """
    notes = [f"left out, no part of the text backbone: {', '.join(model.left_out)}"] if model.left_out else []
    notes += [f"note: {model.caveat}"] if model.caveat else []
    notes += _totals(model)
    kinds = [(_facts(row), sentences(row.description)) for row in model.rows]
    if width is None:
        unfolded = ["; ".join([", ".join(facts), *said]) for facts, said in kinds]
        return [_title(model), *(f"{model.reference}: {line}" for line in unfolded + notes)]
    lines = _folded(_title(model), width, indent=0)
    for head, (_, said) in zip(_table([facts for facts, _ in kinds], width), kinds, strict=True):
        lines += head
        for sentence in said:
            lines += _folded(sentence, width, indent=6)
    for note in notes:
        lines += _folded(note, width, indent=2)
    return lines


def _table(rows: Sequence[Sequence[str]], width: int) -> list[list[str]]:
    """Facts in columns, the lines of each row; where layers are many, those beyond a quarter of the width follow below."""
    layers = [wrap(row[0], width // 4, break_on_hyphens=False) for row in rows]
    aligned = [[first, *facts] for (first, *_), (_, *facts) in zip(layers, rows, strict=True)]
    widths = [max(map(len, column)) for column in zip(*aligned, strict=True)]
    table = []
    for (_, *more), (first, component, *numbers) in zip(layers, aligned, strict=True):
        cells = [first.ljust(widths[0]), component.ljust(widths[1]), *map(str.rjust, numbers, widths[2:])]
        below = _folded(" ".join(more), width, indent=len("  layers "), hang=0)
        table.append(_folded("  ".join(cells), width, indent=2) + below)
    return table


def _folded(text: str, width: int, indent: int, hang: int = 4) -> list[str]:
    """Broken between words; within a word only where that is longer than a line."""
    first, others = " " * indent, " " * (indent + hang)
    return wrap(text, width, initial_indent=first, subsequent_indent=others, break_on_hyphens=False)


def _facts(row: Row) -> tuple[str, ...]:
    shape = row.description
    return (
        f"layers {layer_ranges(row.layers)}",
        shape.component if row.experts is None else f"{shape.component} x {row.experts}",
        f"{shape.neurons} neurons",
        f"d_model {shape.d_model}",
        f"{row.bytes / _GB:.3f} GB",
    )


def _title(model: Inspection) -> str:
    named = f"{model.name} @ {model.revision}" if model.revision else model.reference
    unlisted = f"model_type {model.rule} has no rules" if model.rule else "config.json has no model_type"
    by = {
        "rules": f"by the rules of {model.rule}",
        "extra": f"by the rules of {model.rule} in architectures.extra",
        "names": f"by the names of its tensors, as {unlisted}",
    }
    return f"{named}: read {by[model.resolved_by]}"


def _totals(model: Inspection) -> list[str]:
    over = ", which single blocks exceed" if model.largest_unit > model.max_unit_bytes else ""
    largest, most = f"{model.largest_unit / _GB:.3f} GB", f"{model.max_unit_bytes / _GB:.3f} GB"
    return [
        f"{counted(model.blocks, 'block')}, {counted(model.neurons, 'neuron')}, {model.bytes / _GB:.3f} GB",
        f"a sweep makes {counted(model.units, 'unit')} of at most {largest} (cluster.max_unit_bytes: {most}{over})",
    ]
