"""The order in which documents are taken: by a random key that follows from the seed, the file and the row alone.

So a document's place needs no count of the others, no permutation in memory, and nothing that another version of a library
may draw otherwise; and what was taken up to some key stays the same however the rest is read.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)

Keys = NDArray[np.uint64]


class Place(NamedTuple):
    """Where a document stands in the order; places compare as the documents follow one another."""

    key: int
    file: int
    """Number of its file among the sorted ones."""
    row: int
    """Within the file."""


def keys(seed: int, file: int, first: int, count: int) -> Keys:
    """Keys of consecutive rows of a file: of SplitMix64 (Steele, Lea and Flood 2014), a stream for each seed and file.

    Args:
        seed: at least 0, below 2**64.
        file: number of the file.
        first: first row.
        count: how many.

    Returns:
        uint64 ``[count]``.
    """
    with np.errstate(over="ignore"):
        rows = np.arange(first + 1, first + count + 1, dtype=np.uint64)
        files = np.full(1, file + 1, np.uint64)
        stream = _mixed(_mixed(np.full(1, seed, np.uint64) + _GOLDEN) + files * _GOLDEN)
        return _mixed(stream + rows * _GOLDEN)


def place_of(seed: int, file: int, row: int) -> Place:
    """Where one document stands."""
    return Place(int(keys(seed, file, row, 1)[0]), file, row)


def _mixed(values: Keys) -> Keys:
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
