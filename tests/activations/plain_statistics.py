"""METHOD section 6 as it is written, in float64 and in loops: the oracle of the statistics."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gated_ray.vocabulary import QUADRANTS, QUANTITIES, ranked_quantities

Floats = npt.NDArray[np.float64]


class Document(NamedTuple):
    """What one block computed for one document: its row, positions, and pre-activations (tokens, neurons)."""

    row: int
    positions: Sequence[int]
    g: Floats
    u: Floats


class Neuron(NamedTuple):
    """Statistics of one neuron.

    Attributes:
        tokens, nan_tokens, open_gate: counts.
        inside: tokens by quadrant.
        means: by (quadrant, quantity), NaN without tokens.
        examples: by (quadrant, quantity), strongest first: value, document, position.
    """

    tokens: int
    nan_tokens: int
    open_gate: int
    inside: dict[str, int]
    means: dict[tuple[str, str], float]
    examples: dict[tuple[str, str], list[tuple[float, int, int]]]


def plain_statistics(
    documents: Sequence[Document],
    neuron: int,
    act: Callable[[Floats], Floats],
    line: Callable[[Floats], Floats],
    sign: int,
    top: int,
) -> Neuron:
    """One neuron's statistics.

    Args:
        documents: all of them.
        neuron: which.
        act, line: the factors of its activation.
        sign: canonical.
        top: documents that each ranking keeps.
    """
    tokens: list[tuple[int, int, str, dict[str, float]]] = []
    seen = nan = open_gate = 0
    for document in documents:
        factors = act(document.g[:, neuron]), line(document.u[:, neuron])
        for at, (position, g, u) in enumerate(
            zip(document.positions, document.g[:, neuron], document.u[:, neuron], strict=True)
        ):
            seen += 1
            values = {"post": sign * factors[0][at] * factors[1][at], "in": sign * u, "gate": g, "act": factors[0][at]}
            if not np.isfinite([g, u, values["post"]]).all():
                nan += 1
                continue
            open_gate += g > 0
            if g and u:
                quadrant = f"gate{'+' if g > 0 else '-'}_in{'+' if sign * u > 0 else '-'}"
                tokens.append((document.row, position, quadrant, values))
    inside = {quadrant: [each for each in tokens if each[2] == quadrant] for quadrant in QUADRANTS}
    means = {
        (quadrant, name): float(np.mean([each[3][name] for each in found])) if found else np.nan
        for quadrant, found in inside.items()
        for name in QUANTITIES
    }
    examples = {
        (quadrant, name): _strongest([(each[3][name], each[0], each[1]) for each in found], top)
        for quadrant, found in inside.items()
        for name in ranked_quantities(quadrant)
    }
    return Neuron(seen, nan, open_gate, {quadrant: len(found) for quadrant, found in inside.items()}, means, examples)


def _strongest(found: list[tuple[float, int, int]], top: int) -> list[tuple[float, int, int]]:
    """The documents with the largest absolute values, one entry each; of equal ones the lower row, and its first token."""
    best: dict[int, tuple[float, int, int]] = {}
    for value, row, position in sorted(found, key=lambda each: (-abs(each[0]), each[1], each[2])):
        best.setdefault(row, (value, row, position))
    return list(best.values())[:top]
