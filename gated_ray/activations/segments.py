"""What is computed of one batch of documents in one block: counts, sums and each document's strongest values (METHOD section 6).

One function of tensors, which torch.compile turns into one pass over the gate and in values; run as it is, it gives the same
numbers in many passes.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import torch

from gated_ray.activations.formulas import Formula
from gated_ray.measurement import one_thread
from gated_ray.vocabulary import QUADRANTS, QUANTITIES, ranked_quantities

LISTS = tuple((quadrant, quantity) for quadrant in QUADRANTS for quantity in ranked_quantities(quadrant))
"""Every ranking of documents, in the order of its dimension."""

COUNTS = (*QUADRANTS, "gate+", "nan")
"""What tokens are counted by: the quadrants, g > 0 whatever u, and values that are not finite."""

NO_TOKEN = -1
"""The position of padding."""

MOST_POSITIONS = 1 << 30

_TILE_ELEMENTS = 1 << 17
"""Of a document's tokens and neurons, done at a time where nothing is fused: its temporaries stay in cache (measured: a third
of the time of whole batches)."""
_TILE_NEURONS = 256
_MOST_COMPILED = 64
"""Of all formulas, layouts of tensors, and batches with one document or more: torch gives up compiling after 8, for all."""


class Segments(NamedTuple):
    """What `segment_statistics` returns, by document.

    Attributes:
        counts: tokens by `COUNTS`, (counts, documents, neurons) int64.
        sums: over a quadrant's tokens, (quadrants * quantities, documents, neurons) float64.
        strongest: by `LISTS`, (lists, documents, neurons) int64, -1 where there is no token; see `strength`.
    """

    counts: torch.Tensor
    sums: torch.Tensor
    strongest: torch.Tensor


def segment_statistics(
    g: torch.Tensor, u: torch.Tensor, position: torch.Tensor, formula: Formula, act: torch.Tensor | None = None
) -> Segments:
    """Statistics of documents, each padded to the same number of tokens.

    Args:
        g, u: pre-activations of gate and in, (documents, tokens, neurons), any float dtype; computed with in float32.
        position: of each token in its document, `NO_TOKEN` for padding, (documents, tokens) int64.
        formula: of the block.
        act: ``formula.gate_factor(g)`` where that is known, as it must be where the formula is not elementwise.
    """
    g, u = g.float(), u.float()
    act = formula.gate_factor(g) if act is None else act
    post = act * formula.in_factor(u)
    real = (position >= 0)[:, :, None]
    finite = torch.isfinite(g) & torch.isfinite(u) & torch.isfinite(post) & real
    open_gate, shut_gate = (g > 0) & finite, (g < 0) & finite
    quantities = {"post": post, "in": u, "gate": g, "act": act}
    place = ((MOST_POSITIONS - 1 - position) << 1)[:, :, None]
    ranks = {name: strength(values, place) for name, values in quantities.items()}
    inside = {
        "gate+_in+": open_gate & (u > 0),
        "gate+_in-": open_gate & (u < 0),
        "gate-_in+": shut_gate & (u > 0),
        "gate-_in-": shut_gate & (u < 0),
    }
    counted = [*(inside[quadrant] for quadrant in QUADRANTS), open_gate, real & ~finite]
    summed = [torch.where(inside[quadrant], quantities[name], 0.0) for quadrant in QUADRANTS for name in QUANTITIES]
    ranked = [torch.where(inside[quadrant], ranks[name], -1) for quadrant, name in LISTS]
    return Segments(
        torch.stack([each.sum(1) for each in counted]),
        torch.stack([each.sum(1, dtype=torch.float64) for each in summed]),
        torch.stack([each.amax(1) for each in ranked]),
    )


def strength(values: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """One int64 a value, larger where its absolute value is, of equal ones where its position is lower.

    The bits of a float32 that is not negative order as the number does: they stand above, and below them 30 bits of the
    position, counted down, and one of the sign. So a maximum is value, position and sign at once, and ties are decided.

    Args:
        values: float32, finite.
        place: twice the position, counted down from the largest.
    """
    return (values.abs().view(torch.int32).to(torch.int64) << 32) | (place + (values < 0))


Kernel = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], Segments]
"""(g, u, position) -> statistics."""


def segment_kernel(formula: Formula, *, fused: bool) -> Kernel:
    """`segment_statistics` of a formula.

    Args:
        formula: of the block.
        fused: compile it (needs a C++ compiler on a CPU, Triton on a GPU; takes half a minute the first time), else cut it
            into tiles.
    """

    def given(g: torch.Tensor, u: torch.Tensor, position: torch.Tensor, act: torch.Tensor | None) -> Segments:
        return segment_statistics(g, u, position, formula, act)

    run = torch.compile(given, dynamic=True) if fused else given

    def kernel(g: torch.Tensor, u: torch.Tensor, position: torch.Tensor) -> Segments:
        act = None if formula.is_elementwise else formula.gate_factor(g.float())
        if not fused or g.shape[1] == 1:  # which would be compiled once more, for little
            return _in_tiles(given, g, u, position, act)
        with torch._dynamo.config.patch(recompile_limit=_MOST_COMPILED):
            return run(g, u, position, act)

    return kernel


def _in_tiles(
    run: Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor | None], Segments],
    g: torch.Tensor,
    u: torch.Tensor,
    position: torch.Tensor,
    act: torch.Tensor | None,
) -> Segments:
    """On a CPU tiles are done side by side, each in one thread: torch's own threads would meet after every small operation."""
    documents, tokens, neurons = g.shape
    rows = max(1, _TILE_ELEMENTS // (tokens * min(neurons, _TILE_NEURONS)))
    firsts = range(0, neurons, _TILE_NEURONS)

    def tile(place: tuple[int, int]) -> Segments:
        documents_of, neurons_of = slice(place[0], place[0] + rows), slice(place[1], place[1] + _TILE_NEURONS)
        part = (documents_of, slice(None), neurons_of)
        return run(g[part], u[part], position[documents_of], None if act is None else act[part])

    places = [(begin, first) for begin in range(0, documents, rows) for first in firsts]
    if g.device.type == "cpu":
        with ThreadPoolExecutor(torch.get_num_threads()) as pool, one_thread():
            done = list(pool.map(tile, places))
    else:
        done = [tile(place) for place in places]
    across = [done[at : at + len(firsts)] for at in range(0, len(done), len(firsts))]
    joined = [[torch.cat(parts, dim=2) for parts in zip(*row, strict=True)] for row in across]
    return Segments(*(torch.cat(parts, dim=1) for parts in zip(*joined, strict=True)))
