"""The class counts that the authors of arXiv 2505.17936 published, shipped with the package (see ``published/README.md``)."""

import csv
from functools import cache
from importlib.resources import files

from gated_ray.errors import InputError


def models() -> list[tuple[str, str]]:
    """The published models as (name, ``gated`` or ``plain``), sorted by name."""
    return sorted(_counts())


def class_counts(model: str) -> dict[int, dict[str, int]]:
    """Neurons per layer and IO class, as published.

    Args:
        model: the name as published, such as ``Qwen/Qwen2.5-0.5B``.

    Returns:
        layer -> IO class -> neurons. A gated model has all eleven classes in every layer, a plain one three.

    Raises:
        InputError: the authors published no counts for this model.
    """
    for (name, _mlp), layers in _counts().items():
        if name == model:
            return {layer: dict(classes) for layer, classes in layers.items()}
    raise InputError(f"{model}: no published class counts; published_tables.models() lists the models that have them")


@cache
def _counts() -> dict[tuple[str, str], dict[int, dict[str, int]]]:
    counts: dict[tuple[str, str], dict[int, dict[str, int]]] = {}
    text = files("gated_ray.reports").joinpath("published/class_counts.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(text.splitlines()):
        layers = counts.setdefault((row["model"], row["mlp"]), {})
        layers.setdefault(int(row["layer"]), {})[row["io_class"]] = int(row["neurons"])
    return counts
