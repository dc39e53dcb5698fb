"""Where the page's activation statistics, examples and texts come from: the one place that asks the store for them."""

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow.compute as pc
import pyarrow.dataset as ds

from gated_ray.errors import InputError
from gated_ray.store.catalogue import Store


@dataclass(frozen=True)
class Activity:
    """What is known of how one model's neurons act over one dataset of tokens."""

    dataset: str
    tokenizer: str
    """Digest of the tokenizer that made the tokens."""
    activations: ds.Dataset
    """Schema `ACTIVATIONS`."""
    examples: ds.Dataset | None
    """Schema `EXAMPLES`; None where there are none."""
    tokens: ds.Dataset | None
    """Schema `TOKENS`; None where there are none."""


def activity_of(store: Store, model: str, revision: str, profile: str) -> list[Activity]:
    """By dataset; nothing where the store has no activations of the model.

    Args:
        store: which has them or not.
        model, revision, profile: whose.
    """
    models = store.activation_models()
    place = (model, revision, profile)
    for column, value in zip(("model_name", "model_revision", "profile_name"), place, strict=True):
        models = models.filter(pc.equal(models[column], value))
    return [
        Activity(
            name,
            tokenizer,
            store.activations(*place, name),
            _if_any(store.examples, *place, name),
            _if_any(store.tokens, name, tokenizer),
        )
        for name, tokenizer in sorted(
            zip(models["dataset_name"].to_pylist(), models["tokenizer_digest"].to_pylist(), strict=True)
        )
    ]


def _if_any(ask: Callable[..., ds.Dataset], *arguments: str) -> ds.Dataset | None:
    try:
        return ask(*arguments)
    except InputError:
        return None
