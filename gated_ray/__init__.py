"""What every MLP neuron of every open model does to the residual stream (arXiv 2505.17936).

Public:

* `analyze(ref, profile="paper")`: one model, measured here and now; no Ray, no store. Returns a `ModelGeometry`.
* `open_store(url)`: the dataset that sweeps leave, as pyarrow datasets and tables.
* `GatedRayError`: the base of every error raised on purpose; its text is one line for the user.

The rooms, each importing only from those below it:

* ``inspection``: what would be read of a model, from its config and headers.
* ``cluster``: units of work, the worker actor, the driver loop. The only room that imports ray.
* ``reports``: tables and figures from the store.
* ``activations``: texts to tokens, and what neurons do when a live model reads them.
* ``analysis``, ``measurement``: one model, one block, from bytes to rows.
* ``architectures``: which tensors are a neuron's vectors.  ``neurons``: the mathematics, pure functions on tensors.
* ``store``: schemas, keys, commit, publication, reading back.
* ``sources``: where bytes come from: the Hub, folders, buckets.
* ``s3``, ``settings``, ``vocabulary``, ``lines``, ``errors``: shared by all.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gated_ray.analysis import ModelGeometry, analyze
    from gated_ray.errors import GatedRayError
    from gated_ray.store.catalogue import Store, open_store

__all__ = ["GatedRayError", "ModelGeometry", "Store", "analyze", "open_store"]

_PLACES = {
    "GatedRayError": "gated_ray.errors",
    "ModelGeometry": "gated_ray.analysis",
    "Store": "gated_ray.store.catalogue",
    "analyze": "gated_ray.analysis",
    "open_store": "gated_ray.store.catalogue",
}


def __getattr__(name: str) -> Any:
    """Imported when it is asked for: every worker of a sweep imports the package, and needs a part of it."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)
