"""Which cosine triples make which IO class (METHOD section 3), and random draws of them.

A triple is (a, b, c) = (cos_in_out, cos_gate_out, cos_gate_in) after the canonical sign, so c >= 0. Its *cell* is the triple
of q() values. Of the 18 cells with c in {0, 1}, (1, -1, 1) and (-1, 1, 1) cannot exist: angles below 60, below 60 and
above 120 degrees between three vectors contradict the triangle inequality. The 16 others are listed here.
"""

import torch

THRESHOLD = 0.5
LEAST_EIGENVALUE = 0.02
"""Least eigenvalue of a drawn Gram matrix: three vectors of such a neuron are well away from a common plane."""

CELLS: dict[str, tuple[tuple[int, int, int], ...]] = {
    "enrichment": ((1, 1, 1),),
    "atypical_enrichment": ((1, 1, 0), (1, -1, 0)),
    "conditional_enrichment": ((1, 0, 0),),
    "atypical_conditional_enrichment": ((1, 0, 1),),
    "proportional_change": ((0, 1, 0), (0, -1, 0)),
    "atypical_proportional_change": ((0, 1, 1), (0, -1, 1)),
    "orthogonal_output": ((0, 0, 0), (0, 0, 1)),
    "conditional_depletion": ((-1, 0, 0),),
    "atypical_conditional_depletion": ((-1, 0, 1),),
    "depletion": ((-1, -1, 1),),
    "atypical_depletion": ((-1, 1, 0), (-1, -1, 0)),
}


def draw_triples(io_class: str, count: int, margin: float, generator: torch.Generator) -> torch.Tensor:
    """Draw triples of a class, each of its cells equally likely, uniform over what is possible within a cell.

    Args:
        io_class: one of the 11 classes.
        count: how many.
        margin: least distance of each |cosine| from the threshold; c keeps the same distance from 0, so that rounding
            cannot turn the canonical sign.
        generator: source of randomness.

    Returns:
        [count, 3] float32: a, b, c.

    Raises:
        ValueError: the margin leaves a cell of the class (nearly) empty.
    """
    cells = torch.tensor(CELLS[io_class], dtype=torch.float32)
    wanted = torch.randint(len(cells), (count,), generator=generator)
    triples = torch.empty(count, 3)
    for index, cell in enumerate(cells):
        rows = (wanted == index).nonzero().squeeze(1)
        triples[rows] = _draw_cell(cell, len(rows), margin, generator)
    return triples


def _draw_cell(cell: torch.Tensor, count: int, margin: float, generator: torch.Generator) -> torch.Tensor:
    """[count, 3] triples by rejection from the cell's box, kept where the Gram matrix is well conditioned."""
    low = torch.where(cell == 0, margin - THRESHOLD, THRESHOLD + margin)
    high = torch.where(cell == 0, THRESHOLD - margin, 1 - LEAST_EIGENVALUE)
    mirrored = torch.where(cell < 0, -1.0, 1.0)
    low[2] = margin if cell[2] == 0 else low[2]
    kept = torch.empty(0, 3)
    while len(kept) < count:
        drawn = (low + (high - low) * torch.rand(max(4 * count, 1024), 3, generator=generator)) * mirrored
        possible = drawn[_is_well_conditioned(drawn)]
        if len(possible) < len(drawn) // 1000:
            raise ValueError(f"cosine cell {cell.int().tolist()} is empty at margin {margin}")
        kept = torch.cat([kept, possible])
    return kept[:count]


def _is_well_conditioned(triples: torch.Tensor) -> torch.Tensor:
    """[n] bool: Gram minus LEAST_EIGENVALUE times the identity is positive definite (Sylvester's criterion)."""
    a, b, c = triples.unbind(1)
    diagonal = 1 - LEAST_EIGENVALUE
    determinant = diagonal**3 + 2 * a * b * c - diagonal * (a**2 + b**2 + c**2)
    return (determinant > 0) & (diagonal**2 > c**2)
