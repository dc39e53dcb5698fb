"""One block in numbers: classes, cosines, shares outside the randomness regions (METHOD section 5)."""

from dataclasses import dataclass

import numpy as np
import torch

from gated_ray.neurons.classes import NO_CLASS
from gated_ray.neurons.geometry import Geometry
from gated_ray.neurons.randomness import MismatchedRegions
from gated_ray.vocabulary import HISTOGRAM_BINS, IO_CLASSES, PLAIN_CLASSES


@dataclass(frozen=True)
class BlockSummary:
    """The summaries of one block under the names of the layers table; None where a quantity does not exist."""

    columns: dict[str, float | int | list[int] | None]


def _statistics(name: str, cosine: np.ndarray) -> dict[str, float | None]:
    keys = ("mean", "min", "q1", "median", "q3", "max")
    if cosine.size == 0:
        return {f"{name}_{key}": None for key in keys}
    quartiles = np.quantile(cosine, [0.0, 0.25, 0.5, 0.75, 1.0])
    values = (cosine.mean(), *quartiles)
    return {f"{name}_{key}": float(value) for key, value in zip(keys, values, strict=True)}


def _share_outside(cosine: np.ndarray, low: float | None, high: float | None) -> float | None:
    if high is None or cosine.size == 0:
        return None
    outside = cosine > high if low is None else (cosine < low) | (cosine > high)
    return float(outside.mean())


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
    gated = geometry.cos_gate_in is not None
    counts = torch.bincount(codes[codes != NO_CLASS].long(), minlength=len(IO_CLASSES)).tolist()
    columns: dict[str, float | int | list[int] | None] = {
        "neurons": len(codes),
        "neurons_without_cosine": int((codes == NO_CLASS).sum()),
    }
    for name, count in zip(IO_CLASSES, counts, strict=True):
        columns[name] = count if gated or name in PLAIN_CLASSES else None
    regions: dict[str, tuple[float | None, float | None]] = {
        "gate_in": (None, mismatched.gate_in_high if mismatched else None),
        "gate_out": (mismatched.gate_out_low, mismatched.gate_out_high) if mismatched else (None, None),
        "in_out": (mismatched.in_out_low, mismatched.in_out_high) if mismatched else (None, None),
    }
    for pair, (low, high) in regions.items():
        tensor = getattr(geometry, f"cos_{pair}")
        cosine = np.empty(0) if tensor is None else tensor.double().numpy(force=True)
        cosine = cosine[~np.isnan(cosine)]
        columns |= _statistics(f"cos_{pair}", cosine)
        columns[f"outside_theory_{pair}"] = _share_outside(cosine, *theory)
        columns[f"outside_mismatched_{pair}"] = _share_outside(cosine, low, high)
        if pair == "in_out":
            columns["cos_in_out_histogram"] = _histogram(cosine)
    columns |= {"theory_low": theory[0], "theory_high": theory[1]}
    columns |= {
        f"mismatched_{name}": getattr(mismatched, name) if mismatched else None
        for name in ("gate_in_high", "gate_out_low", "gate_out_high", "in_out_low", "in_out_high", "pairs")
    }
    return BlockSummary(columns)
