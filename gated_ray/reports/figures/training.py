"""The classes of one model along its training: one stacked bar a revision."""

import math

import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.figure import Figure

from gated_ray.errors import InputError
from gated_ray.reports.class_names import CLASS_ORDER
from gated_ray.reports.figures.bars import class_frame, class_legend, draw_shares
from gated_ray.reports.figures.style import COLUMN, WIDTH, shortened, styled
from gated_ray.reports.layer_rows import LayerRow, classes_of
from gated_ray.reports.revisions import Revision, ordered_revisions

TRAINING_COLUMNS = ["model_name", "model_revision", "gated", "neurons", "neurons_without_cosine", *CLASS_ORDER]
"""The columns of the layers table that the figure is made of."""

_PANEL, _COLUMN_PANEL = 2.35, 1.6  # inches, the height of the panel
_LONGEST = 22  # letters of a revision's name
_LETTER, _TICK = 0.052, 0.14  # inches: a letter of an upright label, and the room one takes


def training_shares(
    layers: pa.Table, models: pa.Table, title: str | None = None, vocabulary: str = "io", width: float = WIDTH
) -> Figure:
    """One stacked bar a revision, over all neurons of the model that have a class, in the order of training steps.

    Args:
        layers: `TRAINING_COLUMNS` of schema `LAYERS`, one model at several revisions under one profile.
        models: the models table (schema `MODELS`), for the revisions' names.
        title: the heading; the model's name when None.
        vocabulary: ``io`` or ``rw`` (see `class_names`).
        width: of the figure, inches.

    Raises:
        InputError: the table holds no model, or more than one.
    """
    names = sorted(set(layers["model_name"].to_pylist()))
    if len(names) != 1:
        raise InputError(f"this figure is of one model, but the layers table holds {', '.join(names) or 'no rows'}")
    order, words = ordered_revisions(models, names[0])
    rows = [_whole(layers, revision) for revision in order]
    classes = classes_of(rows)
    with styled():
        note = f"All neurons that have a class. {words} Bars stand at equal distances, whatever the steps between them."
        labels = [shortened(revision.label, _LONGEST) for revision in order]
        room = class_frame("", classes, vocabulary, width).panel_width / len(labels)
        longest = _LETTER * max(len(label) for label in labels)
        upright = longest > 0.9 * room
        below = 0.2 + (longest if upright else 0.0)
        frame = class_frame(title or names[0], classes, vocabulary, width, note=note, axis=below)
        figure, (axes,) = frame.stacked([_PANEL if width > COLUMN else _COLUMN_PANEL])
        draw_shares(axes, list(range(len(rows))), rows, classes)
        axes.set_xlim(-0.6, len(rows) - 0.4)
        places = range(0, len(labels), max(1, math.ceil(_TICK / room)) if upright else 1)
        axes.set_xticks(
            list(places), [labels[place] for place in places], rotation=90 if upright else 0, parse_math=False
        )
        class_legend(axes, classes, vocabulary, width)
    return figure


def _whole(layers: pa.Table, revision: Revision) -> LayerRow:
    """The whole model at one revision, as if it were one layer."""
    mine = layers.filter(pc.equal(layers["model_revision"], revision.revision))
    sums = {name: pc.sum(mine[name]).as_py() or 0 for name in ("neurons", "neurons_without_cosine", *CLASS_ORDER)}
    return LayerRow(
        layer=0,
        component="mlp",
        gated=bool(pc.any(mine["gated"]).as_py()),
        neurons=sums["neurons"],
        without_cosine=sums["neurons_without_cosine"],
        counts={name: sums[name] for name in CLASS_ORDER},
    )
