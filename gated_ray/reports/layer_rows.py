"""One row a layer and component: the blocks (experts) of a layer added up, in the order in which reports show them."""

import re
from dataclasses import dataclass

import pyarrow as pa

from gated_ray.errors import InputError
from gated_ray.reports.class_names import CLASS_ORDER
from gated_ray.vocabulary import IO_CLASSES, PLAIN_CLASSES

_STACKS = ("encoder", "decoder")
"""Those that are shown in another order than by name."""
_KINDS = ("mlp", "expert", "vision_expert", "shared_expert")
_COMPONENT = re.compile(rf"(?:(?P<stack>\w+?)_)??(?P<kind>{'|'.join(_KINDS)})(?:_(?P<number>\d+))?")


@dataclass(frozen=True)
class LayerRow:
    """The blocks of one component in one layer: a single MLP, or all experts."""

    layer: int
    component: str
    gated: bool
    neurons: int
    without_cosine: int
    """Neurons that have no cosine, and therefore no class."""
    counts: dict[str, int]
    """Neurons of every class of `IO_CLASSES`; 0 for the classes that a plain block lacks."""

    @property
    def classed(self) -> int:
        """Neurons that have a class: what shares are shares of."""
        return sum(self.counts.values())


def layer_rows(layers: pa.Table) -> list[LayerRow]:
    """Rows of a layers table of one model, layer by layer; an encoder's stack before a decoder's.

    Raises:
        InputError: the table is empty, or holds more than one model, revision or profile.
    """
    require_one_model(layers)
    sums = [(name, "sum") for name in ("neurons", "neurons_without_cosine", *IO_CLASSES)]
    grouped = layers.group_by(["layer", "component"], use_threads=False).aggregate([("gated", "any"), *sums])
    rows = [
        LayerRow(
            layer=row["layer"],
            component=row["component"],
            gated=row["gated_any"],
            neurons=row["neurons_sum"],
            without_cosine=row["neurons_without_cosine_sum"],
            counts={name: row[f"{name}_sum"] or 0 for name in IO_CLASSES},
        )
        for row in grouped.to_pylist()
    ]
    return sorted(rows, key=lambda row: (_stack_rank(row.component), row.layer, _rank(row.component)))


def classes_of(rows: list[LayerRow]) -> tuple[str, ...]:
    """The classes that a table or figure of these rows shows, in the order of `CLASS_ORDER`."""
    return CLASS_ORDER if any(row.gated for row in rows) else PLAIN_CLASSES


def components_of(rows: list[LayerRow]) -> list[str]:
    """The components that occur, in the order in which reports show them."""
    return sorted({row.component for row in rows}, key=_rank)


def component_words(component: str) -> str:
    """A component in words: ``encoder_mlp`` -> ``encoder MLP``, ``expert`` -> ``experts``, as a row holds all of a layer."""
    words = component.replace("_", " ").replace("mlp", "MLP")
    return f"{words}s" if words.endswith("expert") and not words.endswith("shared expert") else words


def stack_of(component: str) -> str:
    """The stack in which a component's layers are numbered: ``decoder``, ``encoder``, or nothing where there is one stack."""
    found = _COMPONENT.fullmatch(component)
    return (found["stack"] or "") if found else ""


def require_one_model(table: pa.Table) -> tuple[str, str, str]:
    """The (model, revision, profile) of a layers or neurons table.

    Raises:
        InputError: the table is empty, or holds more than one model, revision or profile.
    """
    keys = ("model_name", "model_revision", "profile_name")
    found = table.select(keys).group_by(list(keys), use_threads=False).aggregate([]).to_pylist()
    if len(found) != 1:
        names = ", ".join(sorted("/".join(row[key] for key in keys) for row in found)[:4])
        raise InputError(
            f"this report is of one model, but the table holds {len(found)} ({names or 'no rows'}); filter it"
        )
    model, revision, profile = (found[0][key] for key in keys)
    return model, revision, profile


def heading(layers: pa.Table) -> str:
    """What a report of one model is headed by: ``org/name @ 0123456``.

    Raises:
        InputError: the table is empty, or holds more than one model, revision or profile.
    """
    model, revision, _ = require_one_model(layers)
    return f"{model} @ {short_revision(revision)}"


def short_revision(revision: str) -> str:
    """The first seven hex digits of a commit, or of a folder's or bucket's digest."""
    return revision.removeprefix("local-")[:7]


def _rank(component: str) -> tuple[int, str, int, int, str]:
    """Stacks apart; within one, MLPs before experts, by number. What is not known comes last."""
    found = _COMPONENT.fullmatch(component)
    kind = _KINDS.index(found["kind"]) if found else len(_KINDS)
    return (*_stack_rank(component), kind, int(found["number"] or 0) if found else 0, component)


def _stack_rank(component: str) -> tuple[int, str]:
    stack = stack_of(component)
    return (_STACKS.index(stack) if stack in _STACKS else len(_STACKS), stack)
