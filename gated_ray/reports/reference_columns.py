"""Activation statistics under the column names of the authors of arXiv 2505.17936, who have one row a neuron for everything.

Their names are of TransformerLens: ``hook_post`` is post, ``hook_pre_linear`` in, ``hook_pre`` gate, ``swish`` act.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from gated_ray.vocabulary import QUADRANTS, QUANTITIES, ranked_quantities

HOOKS = {"post": "hook_post", "in": "hook_pre_linear", "gate": "hook_pre", "act": "swish"}
_KEPT = ("model_name", "model_revision", "layer", "component", "expert", "neuron", "sign")
_NO_EXPERT = -1


def reference_tables(activations: ds.Dataset, examples: ds.Dataset) -> Iterator[pa.Table]:
    """Rows of one model, layer by layer.

    Args:
        activations: schema `ACTIVATIONS`, of one model, revision, profile and dataset.
        examples: schema `EXAMPLES`, of the same.

    Yields:
        Tables with ``gate+_in+_freq``, ``gate+_in+_hook_post_mean``, ``gate+_in+_hook_post_max_values`` and
        ``gate+_in+_hook_post_max_indices`` (rows of the token dataset, strongest first), and so on; null lists where no
        document has such a token.
    """
    layers = sorted(activations.to_table(columns=["layer"])["layer"].unique().to_pylist())
    for layer in layers:
        at = pc.field("layer") == layer
        yield _reference_table(activations.to_table(filter=at), examples.to_table(filter=at))


def _reference_table(activations: pa.Table, examples: pa.Table) -> pa.Table:
    columns = {name: activations[name] for name in _KEPT}
    components = pa.array(sorted(activations["component"].unique().to_pylist()))
    neurons, of_example = _codes(activations, components), _codes(examples, components)
    rows = np.searchsorted(neurons, of_example)
    for quadrant in QUADRANTS:
        columns[f"{quadrant}_freq"] = activations[f"{quadrant}_freq"]
        for quantity in QUANTITIES:
            columns[f"{quadrant}_{HOOKS[quantity]}_mean"] = activations[f"{quadrant}_mean_{quantity}"]
        for quantity in ranked_quantities(quadrant):
            chosen = pc.and_(pc.equal(examples["quadrant"], quadrant), pc.equal(examples["quantity"], quantity))
            places = rows[chosen.to_numpy()]
            for kind, column in (("values", "value"), ("indices", "document")):
                found = examples[column].filter(chosen).combine_chunks()
                columns[f"{quadrant}_{HOOKS[quantity]}_max_{kind}"] = _lists(found, places, len(neurons))
    return pa.table(columns)


def _codes(table: pa.Table, components: pa.Array) -> npt.NDArray[np.int64]:
    """A number a row that orders as component, expert and neuron do."""
    component = pc.index_in(table["component"], value_set=components).to_numpy().astype(np.int64)
    expert = table["expert"].fill_null(_NO_EXPERT).to_numpy().astype(np.int64) + 1
    codes: npt.NDArray[np.int64] = (component << 58) | (expert << 31) | table["neuron"].to_numpy()
    return codes


def _lists(values: pa.Array, rows: npt.NDArray[np.int64], count: int) -> pa.Array:
    """Values that stand in the order of their rows, as one list a row; null where a row has none."""
    lengths = np.bincount(rows, minlength=count)
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
    return pa.ListArray.from_arrays(offsets, values, mask=pa.array(lengths == 0))
