"""The numbers that the authors of arXiv 2505.17936 published, shipped with the package (see ``published/README.md``)."""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from gated_ray.errors import InputError

_HUB_NAMES = {
    "distilbert/distilgpt2": "distilgpt2",
    "openai-community/gpt2": "gpt2-small",
    "openai-community/gpt2-medium": "gpt2-medium",
    "openai-community/gpt2-large": "gpt2-large",
    "openai-community/gpt2-xl": "gpt2-xl",
}
"""Models that were published under other names than the Hub's."""


@dataclass(frozen=True)
class PublishedFrequency:
    """Mean share of tokens with gate > 0."""

    of_class: float
    """Over the neurons of a class."""
    of_random: float
    """Over random neurons of the same layers outside the class."""


def models() -> list[tuple[str, str]]:
    """The published models as (name, ``gated`` or ``plain``), sorted by name."""
    return sorted(_counts())


def published_name(model: str) -> str | None:
    """The name under which a model's class counts were published, given its name there or on the Hub; None where they were not."""
    name = _HUB_NAMES.get(model, model)
    return name if any(name == known for known, _ in models()) else None


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


def activation_frequencies(model: str) -> dict[str, PublishedFrequency]:
    """IO class -> mean frequency of gate > 0, as published; empty where nothing was published on this model."""
    return {
        row["io_class"]: PublishedFrequency(float(row["freq_gate_positive"]), float(row["freq_random_same_layers"]))
        for row in _rows("activation_frequency.csv")
        if row["model"] == model
    }


@cache
def _counts() -> dict[tuple[str, str], dict[int, dict[str, int]]]:
    counts: dict[tuple[str, str], dict[int, dict[str, int]]] = {}
    for row in _rows("class_counts.csv"):
        layers = counts.setdefault((row["model"], row["mlp"]), {})
        layers.setdefault(int(row["layer"]), {})[row["io_class"]] = int(row["neurons"])
    return counts


def _rows(name: str) -> list[dict[str, str]]:
    text = files("gated_ray.reports").joinpath("published", name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
