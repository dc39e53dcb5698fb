"""Whether a unit's tables hold exactly its blocks, each neuron once: checked before anything is stored."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gated_ray.store.keys import UnitKey

_NO_EXPERT = -1


def check_blocks(unit: UnitKey, neurons: pa.Table, layers: pa.Table) -> None:
    """Check tables that are sorted by expert (and neuron).

    Args:
        unit: whose tables they are said to be.
        neurons: schema `NEURONS`.
        layers: schema `LAYERS`.

    Raises:
        ValueError: rows of another layer, component or expert; a block missing or doubled; a neuron missing or doubled.
    """
    for table in (neurons, layers):
        for name, value in (("layer", unit.layer), ("component", unit.component)):
            if table[name].unique().to_pylist() != [value]:
                raise ValueError(f"{unit.id}: rows whose {name} is not {value!r}")
    experts = _integers(layers, "expert", _NO_EXPERT)
    if experts.tolist() not in ([_NO_EXPERT], list(range(unit.first, unit.last + 1))):
        raise ValueError(f"{unit.id}: layers are of the experts {experts.tolist()}")
    blocks = _integers(layers, "neurons", 0)
    expert, neuron = _integers(neurons, "expert", _NO_EXPERT), _integers(neurons, "neuron", -1)
    if not np.array_equal(expert, np.repeat(experts, blocks)):
        raise ValueError(f"{unit.id}: the neurons' experts are not those that the layers count")
    if not np.array_equal(neuron, np.concatenate([np.arange(count) for count in blocks])):
        raise ValueError(f"{unit.id}: neurons are missing or doubled")


def _integers(table: pa.Table, name: str, null: int) -> npt.NDArray[np.int64]:
    column: npt.NDArray[np.int64] = table[name].fill_null(null).to_numpy().astype(np.int64)
    return column
