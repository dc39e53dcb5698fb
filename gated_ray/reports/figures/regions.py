"""The randomness regions of a panel's blocks (METHOD section 4), and how figures mark them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from matplotlib.axes import Axes

Interval = tuple[float, float]

THEORY_LINE: dict[str, Any] = {"color": "#C1272D", "linewidth": 0.6, "linestyle": (0, (1, 1.4)), "zorder": 2.5}
BAND: dict[str, Any] = {"color": "#000000", "alpha": 0.10, "linewidth": 0, "zorder": 0.5}

_MISMATCHED = {
    "gate_out": ("mismatched_gate_out_low", "mismatched_gate_out_high"),
    "in_out": ("mismatched_in_out_low", "mismatched_in_out_high"),
}
_GATE_IN = "mismatched_gate_in_high"
_COLUMNS = ["theory_low", "theory_high", _GATE_IN, *(end for ends in _MISMATCHED.values() for end in ends)]


@dataclass(frozen=True)
class Regions:
    """The regions of one layer and component; of experts, the mean of the ends of each expert's own."""

    theory: Interval | None
    """The same for every cosine: it depends on d_model alone."""
    mismatched: Mapping[str, Interval | None]
    """Of ``cos_gate_out`` and ``cos_in_out``; None where the profile computed none, or the block has no such cosine."""
    gate_in_high: float | None
    """The mismatched region of ``cos_gate_in`` is from 0 to this."""


def regions(layers: pa.Table) -> dict[tuple[int, str], Regions]:
    """The regions by (layer, component).

    Args:
        layers: rows of the layers table (schema `LAYERS`) of one model, revision and profile.
    """
    place = ["layer", "component"]
    means = (
        layers.select(place + _COLUMNS)
        .group_by(place, use_threads=False)
        .aggregate([(name, "mean") for name in _COLUMNS])
    )
    return {(row["layer"], row["component"]): _regions(row) for row in means.to_pylist()}


def region_words(found: Collection[Regions], experts: bool, bands: str = "Grey bands") -> str:
    """The note's sentences on the regions that are marked.

    Args:
        found: of the panels drawn.
        experts: whether some of them are of several experts.
        bands: how the mismatched regions are marked.
    """
    words = []
    if any(each.theory for each in found):
        words.append("Red dots: 95 % of the cosines of random vectors.")
    if any(interval for each in found for interval in each.mismatched.values()):
        mean = " (of experts: the mean of the ends of each expert's own)" if experts else ""
        words.append(f"{bands}: 95 % of the cosines between different neurons{mean}.")
    else:
        words.append("No mismatched regions: the profile computed none.")
    return " ".join(words)


def mark_across(axes: Axes, found: Regions, cosine: str) -> None:
    """Mark the regions of a cosine that runs along the x axis."""
    for end in found.theory or ():
        axes.axvline(end, **THEORY_LINE)
    if interval := found.mismatched[cosine]:
        axes.axvspan(*interval, **BAND)


def mark_up(axes: Axes, found: Regions, cosine: str) -> None:
    """Mark the regions of a cosine that runs along the y axis."""
    for end in found.theory or ():
        axes.axhline(end, **THEORY_LINE)
    if interval := found.mismatched[cosine]:
        axes.axhspan(*interval, **BAND)


def _regions(row: dict[str, Any]) -> Regions:
    def interval(low: str, high: str) -> Interval | None:
        ends = row[f"{low}_mean"], row[f"{high}_mean"]
        return None if None in ends else ends

    return Regions(
        interval("theory_low", "theory_high"),
        {f"cos_{cosine}": interval(*ends) for cosine, ends in _MISMATCHED.items()},
        row[f"{_GATE_IN}_mean"],
    )
