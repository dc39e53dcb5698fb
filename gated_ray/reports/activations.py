"""Where reports get activation statistics from."""

import pyarrow.compute as pc
import pyarrow.dataset as ds

from gated_ray.errors import InputError
from gated_ray.store.catalogue import Store


def activations_by_dataset(store: Store, model: str, revision: str, profile: str) -> dict[str, ds.Dataset] | None:
    """Activation statistics (schema `ACTIVATIONS`) of one model by token dataset; None where the store has none of this model."""
    read = getattr(store, "activations", None)
    if read is None:
        return None
    try:
        found: ds.Dataset = read(model, revision, profile)
    except InputError:
        return None
    names = {name for batch in found.to_batches(columns=["dataset_name"]) for name in pc.unique(batch[0]).to_pylist()}
    return {name: found.filter(pc.field("dataset_name") == name) for name in sorted(names)} or None
