"""Where the page's activation statistics, examples and texts come from: the one place that asks the store for them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc
import pyarrow.dataset as ds

from gated_ray.errors import InputError


@dataclass(frozen=True)
class Activity:
    """What is known of how one model's neurons act over one dataset of tokens."""

    dataset: str
    activations: ds.Dataset
    """Schema `ACTIVATIONS`."""
    examples: ds.Dataset | None
    """Schema `EXAMPLES`; None where there are none."""
    tokens: ds.Dataset | None
    """Schema `TOKENS`; None where there are none, or several tokenizers', of which nothing tells the model's."""


def activity_of(store: Any, model: str, revision: str, profile: str) -> list[Activity]:
    """By dataset; nothing where the store has no activations of the model.

    Args:
        store: a `gated_ray.store.catalogue.Store`, or anything with its ``activations``, ``examples`` and ``tokens``, each of
            which raises `InputError` where it has nothing. What it lacks counts as nothing.
        model, revision, profile: whose.
    """
    place = (model, revision, profile)
    activations = _asked(store, "activations", *place)
    if activations is None:
        return []
    names = pc.unique(activations.to_table(columns=["dataset_name"])["dataset_name"]).to_pylist()
    found = []
    for name in sorted(names):
        mine = _asked(store, "activations", *place, name)
        if mine is not None:
            found.append(Activity(name, mine, _asked(store, "examples", *place, name), _tokens(store, name)))
    return found


def _tokens(store: Any, dataset: str) -> ds.Dataset | None:
    tokens = _asked(store, "tokens", dataset)
    if tokens is None:
        return None
    tokenizers = pc.unique(tokens.to_table(columns=["tokenizer_digest"])["tokenizer_digest"])
    return tokens if len(tokenizers) == 1 else None


def _asked(store: Any, method: str, *arguments: str) -> ds.Dataset | None:
    ask: Callable[..., ds.Dataset] | None = getattr(store, method, None)
    if ask is None:
        return None
    try:
        return ask(*arguments)
    except InputError:
        return None
