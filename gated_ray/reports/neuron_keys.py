"""What tells the neurons of one layer and component apart, so that rows of two tables can be put side by side."""

import numpy as np
import pyarrow as pa

KEY_COLUMNS = ["expert", "neuron"]

_MOST_NEURONS = 1 << 31


def neuron_keys(table: pa.Table) -> np.ndarray:
    """One number a row from its `KEY_COLUMNS`: joins and comparisons in Arrow find no null experts."""
    experts = table["expert"].fill_null(-1).to_numpy().astype(np.int64)
    keys: np.ndarray = experts * _MOST_NEURONS + table["neuron"].to_numpy()
    return keys


def looked_up(wanted: np.ndarray, keys: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The value (a float) that stands at each wanted key; NaN where there is none."""
    found = np.full(len(wanted), np.nan)
    if len(keys):
        order = np.argsort(keys)
        places = np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)
        hits = keys[order[places]] == wanted
        found[hits] = values[order[places[hits]]]
    return found
