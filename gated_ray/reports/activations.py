"""Where reports get activation statistics from."""

import pyarrow.compute as pc
import pyarrow.dataset as ds

from gated_ray.store.catalogue import Store


def activations_by_dataset(store: Store, model: str, revision: str, profile: str) -> dict[str, ds.Dataset] | None:
    """Activation statistics (schema `ACTIVATIONS`) of one model by token dataset; None where the store has none of this model."""
    models = store.activation_models()
    for column, value in (("model_name", model), ("model_revision", revision), ("profile_name", profile)):
        models = models.filter(pc.equal(models[column], value))
    names = sorted(models["dataset_name"].to_pylist())
    return {name: store.activations(model, revision, profile, name) for name in names} or None
