"""Medians over all neurons of a model that are never held at once: counts of what the page shows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gated_ray.reports.atlas.encoding import NO_COSINE, ten_thousandths
from gated_ray.reports.atlas.neuron_files import floats
from gated_ray.vocabulary import COSINES

_STEPS = 10_000


class Medians:
    """Neurons by ten-thousandths of each cosine."""

    def __init__(self) -> None:
        self._counts = {cosine: np.zeros(2 * _STEPS + 1, dtype=np.int64) for cosine in COSINES}

    def add(self, neurons: pa.Table) -> None:
        """Count these neurons (the cosines of schema `NEURONS`); nulls are left out."""
        for cosine, counts in self._counts.items():
            steps = ten_thousandths(floats(neurons[cosine]))
            known = np.clip(steps[steps != NO_COSINE].astype(np.int64), -_STEPS, _STEPS)
            counts += np.bincount(known + _STEPS, minlength=len(counts))

    def in_ten_thousandths(self) -> list[float | None]:
        """Of the cosines in their order; None where no neuron has one.

        Of an even number of neurons the mean of the middle two, each rounded: right to the last digit where these are equal.
        """
        return [_median(counts) for counts in self._counts.values()]


def _median(counts: npt.NDArray[np.int64]) -> float | None:
    neurons = int(counts.sum())
    if not neurons:
        return None
    ranks: Sequence[Any] = [(neurons - 1) // 2 + 1, neurons // 2 + 1]
    low, high = np.searchsorted(np.cumsum(counts), ranks) - _STEPS
    return (int(low) + int(high)) / 2
