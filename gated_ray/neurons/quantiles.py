"""Quantiles of very many cosines from counts in narrow bins."""

from collections.abc import Sequence

import numpy as np
import torch

_BIN = 5e-5
_LIMIT = 1.001
"""Cosines of float32 unit vectors may pass 1 by rounding; the bins reach a little further."""
_BINS = round(2 * _LIMIT / _BIN)
_UNCOUNTED = 2.0
"""Beyond the bins: `torch.histc` leaves it out."""


class CosineCounts:
    """Counts of cosines (or of their absolute values) in bins of 5e-5, exact in int64, that add up over tiles."""

    def __init__(self, device: torch.device, *, absolute: bool) -> None:
        self._absolute = absolute
        self._counts = torch.zeros(_BINS, dtype=torch.int64, device=device)

    def add(self, tile: torch.Tensor, own: torch.Tensor) -> None:
        """Count a tile, leaving out each row's own column.

        Args:
            tile: (rows, columns) float32 cosines, fewer than 2**24 values (float32 counts them exactly); overwritten.
            own: (rows,) the column of each row that is the same neuron.
        """
        tile.scatter_(1, own[:, None], _UNCOUNTED)
        values = tile.abs_() if self._absolute else tile
        self._counts += torch.histc(values, _BINS, -_LIMIT, _LIMIT).long()

    def merge(self, other: "CosineCounts") -> None:
        self._counts += other._counts

    def region(self, p: float) -> tuple[float, ...]:
        """The p/2 and 1-p/2 quantiles, or the 1-p quantile alone of absolute values; each within 5e-5.

        By the linear rule of `numpy.quantile`: between the two values nearest to the rank, however far apart they are.
        """
        counts = self._counts.numpy(force=True)
        cumulative = counts.cumsum()
        last = int(cumulative[-1]) - 1
        ranks = last * np.array([1 - p] if self._absolute else [p / 2, 1 - p / 2])
        below = np.floor(ranks).astype(np.int64)
        low, high = _values(counts, cumulative, below), _values(counts, cumulative, np.minimum(below + 1, last))
        return tuple((low + (ranks - below) * (high - low)).tolist())


def _values(counts: np.ndarray, cumulative: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """The counted values of these ranks (from 0), as if those of one bin stood evenly in it."""
    bins = np.searchsorted(cumulative, ranks, side="right")
    position = (ranks - (cumulative[bins] - counts[bins]) + 0.5) / counts[bins]
    values: np.ndarray = -_LIMIT + (bins + position) * _BIN
    return values


def batch_error(batches: Sequence[tuple[float, ...]], unseen: float) -> float:
    """Largest standard error of the quantiles of pooled batches, from their spread between batches.

    Rows differ in how far their tails reach, so pairs of a row are not independent and a binomial error would be too
    small; whole batches of rows are.

    Args:
        batches: the quantiles of each batch.
        unseen: share of all rows that no batch has, for the finite population correction.
    """
    spread = np.std(batches, axis=0, ddof=1).max()
    return float(spread * (unseen / len(batches)) ** 0.5)
