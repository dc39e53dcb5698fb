"""Where reports get activation statistics from."""

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from gated_ray.errors import InputError, StoreError
from gated_ray.store.catalogue import Store


def activations_by_dataset(store: Store, model: str, revision: str, profile: str) -> dict[str, ds.Dataset] | None:
    """Activation statistics (schema `ACTIVATIONS`) of one model by token dataset; None where the store has none of this model.

    Raises:
        StoreError: the store cannot be read.
    """
    read = getattr(store, "activations", None)
    if read is None:
        return None
    try:
        found: ds.Dataset = read(model, revision, profile)
    except InputError:
        return None
    try:
        batches = found.to_batches(columns=["dataset_name"])
        names = {name for batch in batches for name in pc.unique(batch[0]).to_pylist()}
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"{store!r}: cannot read the activations of {model}: {error}") from error
    return {name: found.filter(pc.field("dataset_name") == name) for name in sorted(names)} or None
