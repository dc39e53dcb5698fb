"""Quantiles of very many cosines from counts in narrow bins."""

import statistics
from collections.abc import Sequence

import torch

_BIN = 5e-5
_LIMIT = 1.001
"""Cosines of float32 unit vectors may pass 1 by rounding; the bins reach a little further."""
_BINS = round(2 * _LIMIT / _BIN)


class CosineCounts:
    """Counts of cosines (or of their absolute values) in bins of 5e-5, exact in int64, that add up over tiles."""

    def __init__(self, device: torch.device, *, absolute: bool) -> None:
        self._absolute = absolute
        self._counts = torch.zeros(_BINS, dtype=torch.int64, device=device)

    def add(self, tile: torch.Tensor, own: torch.Tensor) -> None:
        """Count a tile, leaving out each row's own column.

        Args:
            tile: (rows, columns) float32 cosines, fewer than 2**24 values (float32 counts them exactly).
            own: (rows,) the column of each row that is the same neuron.
        """
        matched = tile.gather(1, own[:, None])
        for values, weight in ((tile, 1), (matched, -1)):
            counts = torch.histc(values.abs() if self._absolute else values, _BINS, -_LIMIT, _LIMIT)
            self._counts += weight * counts.long()

    def merge(self, other: "CosineCounts") -> None:
        self._counts += other._counts

    def region(self, p: float) -> tuple[float, ...]:
        """The p/2 and 1-p/2 quantiles, or the 1-p quantile alone of absolute values; each within 5e-5."""
        cumulative = self._counts.cumsum(0)
        return tuple(self._quantile(cumulative, q) for q in ((1 - p,) if self._absolute else (p / 2, 1 - p / 2)))

    def _quantile(self, cumulative: torch.Tensor, q: float) -> float:
        rank = q * (int(cumulative[-1]) - 1)  # numpy's linear rule: the value at this fractional rank
        wanted = torch.tensor(rank, dtype=torch.float64, device=cumulative.device)
        bin_index = int(torch.searchsorted(cumulative.double(), wanted, right=True))
        below = int(cumulative[bin_index - 1]) if bin_index else 0
        inside = int(self._counts[bin_index])
        return -_LIMIT + (bin_index + (rank - below + 0.5) / inside) * _BIN


def batch_error(batches: Sequence[tuple[float, ...]], unseen: float) -> float:
    """Largest standard error of the quantiles of pooled batches, from their spread between batches.

    Rows differ in how far their tails reach, so pairs of a row are not independent and a binomial error would be too
    small; whole batches of rows are.

    Args:
        batches: the quantiles of each batch.
        unseen: share of all rows that no batch has, for the finite population correction.
    """
    spread = max(statistics.stdev(values) for values in zip(*batches, strict=True))
    return float(spread * (unseen / len(batches)) ** 0.5)
