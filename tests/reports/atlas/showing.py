"""Numbers as the page must show them, computed apart from it: exact decimals, rounded once."""

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

NONE = "\N{EN DASH}"
_MINUS = "\N{MINUS SIGN}"


def cosine(value: float | None, decimals: int = 4) -> str:
    """A stored cosine: four decimals, and a real minus sign."""
    if value is None:
        return NONE
    rounded = Decimal(value).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN)
    return f"{abs(rounded) if rounded == 0 else rounded:f}".replace("-", _MINUS)


def three_digits(value: float | None, power: int = 0) -> str:
    """Three significant digits of a number from 1e-4 to 1e6, times a power of ten."""
    if value is None:
        return NONE
    exact = Decimal(value).scaleb(power)
    rounded = exact.quantize(Decimal(1).scaleb(exact.adjusted() - 2), ROUND_HALF_EVEN)
    text = f"{rounded:,f}" if rounded.adjusted() < 3 else f"{int(rounded):,}"
    return text.replace("-", _MINUS)


def number(text: str) -> float:
    """What a shown number says; NaN where it says that there is none."""
    plain = text.strip().replace(_MINUS, "-").replace(",", "").removeprefix("< ")
    return float("nan") if plain == NONE else float(plain)


def percent(part: float, whole: float) -> str:
    """One decimal; never 0.0 for something."""
    share = 100 * part / whole
    return "< 0.1" if 0 < share < 0.05 else f"{share:.1f}"


def neurons_of(store: Any, model: str, layer: int, component: str = "mlp", expert: int | None = None) -> pa.Table:
    """The rows of a block under the profile ``paper``, by neuron."""
    mine = (pc.field("layer") == layer) & (pc.field("component") == component)
    if expert is not None:
        mine &= pc.field("expert") == expert
    return store.neurons(model, profile="paper").to_table(filter=mine).sort_by("neuron")


def percentile(values: Sequence[float] | npt.NDArray[Any], place: int) -> float:
    """The share of values that are smaller, equal ones counting half."""
    array = np.asarray(values)
    return float(((array < array[place]).sum() + (array == array[place]).sum() / 2) / len(array))
