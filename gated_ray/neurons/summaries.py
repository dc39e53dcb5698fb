"""Neurons in numbers: classes, cosines, shares outside the randomness regions (METHOD section 5)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from gated_ray.neurons.classes import NO_CLASS
from gated_ray.neurons.geometry import Geometry
from gated_ray.neurons.randomness import MismatchedRegions
from gated_ray.vocabulary import HISTOGRAM_BINS, IO_CLASSES, PLAIN_CLASSES

_PAIRS = ("gate_in", "gate_out", "in_out")

Columns = dict[str, float | int | list[int] | None]
"""Summaries under the names of the layers table."""

Bound = float | np.ndarray | None
"""One end of a region: of all neurons, or (neurons,) of each neuron's block, with NaN where that has none."""

Regions = Mapping[str, tuple[Bound, Bound]]
"""Low and high end by cosine."""


@dataclass(frozen=True)
class BlockSummary:
    """The summaries of one block under the names of the layers table; None where a quantity does not exist."""

    columns: Columns


def _statistics(name: str, cosine: np.ndarray) -> dict[str, float | None]:
    keys = ("mean", "min", "q1", "median", "q3", "max")
    if cosine.size == 0:
        return {f"{name}_{key}": None for key in keys}
    quartiles = np.quantile(cosine, [0.0, 0.25, 0.5, 0.75, 1.0])
    values = (cosine.mean(), *quartiles)
    return {f"{name}_{key}": float(value) for key, value in zip(keys, values, strict=True)}


def _share_outside(cosine: np.ndarray, low: Bound, high: Bound) -> float | None:
    """Among the cosines that are numbers and have a region."""
    if high is None:
        return None
    usable = ~(np.isnan(cosine) | np.isnan(high))
    if not usable.any():
        return None
    outside = cosine > high if low is None else (cosine < low) | (cosine > high)
    return float(outside[usable].mean())


def _histogram(cosine: np.ndarray) -> list[int]:
    edges = np.array([(2 * k - HISTOGRAM_BINS) / HISTOGRAM_BINS for k in range(HISTOGRAM_BINS + 1)])
    bins = np.clip(np.searchsorted(edges, cosine, side="right") - 1, 0, HISTOGRAM_BINS - 1)
    return [int(count) for count in np.bincount(bins, minlength=HISTOGRAM_BINS)]


def summarise(
    geometry: Geometry, codes: torch.Tensor, theory: tuple[float, float], mismatched: MismatchedRegions | None
) -> BlockSummary:
    """Summarise a block.

    Args:
        geometry: its neurons.
        codes: (neurons,) int8 class codes of `classify`.
        theory: the region of `theory_region`.
        mismatched: the regions of `mismatched_regions`, None where not computed.

    Returns:
        Counts over all neurons; statistics and shares in float64 over the neurons that have the cosine.
    """
    regions: Regions = {}
    if mismatched is not None:
        regions = {
            "gate_in": (None, mismatched.gate_in_high),
            "gate_out": (mismatched.gate_out_low, mismatched.gate_out_high),
            "in_out": (mismatched.in_out_low, mismatched.in_out_high),
        }
    cosines = {
        pair: None if tensor is None else tensor.double().numpy(force=True)
        for pair, tensor in ((pair, getattr(geometry, f"cos_{pair}")) for pair in _PAIRS)
    }
    columns = summarise_neurons(cosines, codes.numpy(force=True), theory, regions)
    columns |= {
        f"mismatched_{name}": getattr(mismatched, name) if mismatched else None
        for name in ("gate_in_high", "gate_out_low", "gate_out_high", "in_out_low", "in_out_high", "pairs")
    }
    return BlockSummary(columns)


def summarise_neurons(
    cosines: Mapping[str, np.ndarray | None], codes: np.ndarray, theory: tuple[float, float], regions: Regions
) -> Columns:
    """Summarise any set of neurons, of one block or of all experts of a layer.

    Args:
        cosines: ``gate_in``, ``gate_out`` and ``in_out``, each (neurons,) float64 with NaN where a neuron has none; None
            for the two that plain blocks lack.
        codes: (neurons,) class codes of `classify`.
        theory: the region of `theory_region`.
        regions: the mismatched region of each cosine, its low end None where only the high end counts.

    Returns:
        Counts over all neurons; statistics and shares over the neurons that have the cosine. None where a quantity does
        not exist.
    """
    gated = cosines["gate_in"] is not None
    counts = np.bincount(codes[codes != NO_CLASS], minlength=len(IO_CLASSES)).tolist()
    columns: Columns = {"neurons": len(codes), "neurons_without_cosine": int((codes == NO_CLASS).sum())}
    for name, count in zip(IO_CLASSES, counts, strict=True):
        columns[name] = count if gated or name in PLAIN_CLASSES else None
    for pair in _PAIRS:
        values = cosines[pair]
        cosine = np.empty(0) if values is None else values
        known = ~np.isnan(cosine)
        columns |= _statistics(f"cos_{pair}", cosine[known])
        columns[f"outside_theory_{pair}"] = _share_outside(cosine, *theory)
        columns[f"outside_mismatched_{pair}"] = _share_outside(cosine, *regions.get(pair, (None, None)))
        if pair == "in_out":
            columns["cos_in_out_histogram"] = _histogram(cosine[known])
    return columns | {"theory_low": theory[0], "theory_high": theory[1]}
