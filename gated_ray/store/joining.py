"""The neurons of one model with their activation statistics: two tables in one order, side by side."""

import pyarrow as pa

from gated_ray.errors import CorruptionError

PLACE = ("layer", "component", "expert", "neuron")


def joined(neurons: pa.Table, activations: pa.Table, where: str) -> pa.Table:
    """The columns of both, each once; those that both have (sign, names) as the neurons table has them.

    Args:
        neurons: schema `NEURONS`, of one model.
        activations: schema `ACTIVATIONS`, of the same; a model's gated neurons, all of them.
        where: for messages.

    Raises:
        CorruptionError: they are not of the same neurons.
    """
    same = all(neurons[name].equals(activations[name].cast(neurons[name].type)) for name in PLACE)
    if not same:
        raise CorruptionError(f"{where}: its activations and its neurons are not of the same rows; run both again")
    for name in activations.column_names:
        if name not in neurons.column_names:
            neurons = neurons.append_column(activations.schema.field(name), activations[name])
    return neurons
