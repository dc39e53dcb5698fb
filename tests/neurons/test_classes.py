"""IO classes: METHOD section 3's table, cell by cell, and its strict threshold."""

import itertools

import numpy as np
import pytest
import torch

from gated_ray.neurons.classes import NO_CLASS, classify
from gated_ray.vocabulary import IO_CLASSES, PLAIN_CLASSES

# By (q(cos_in_out), q(cos_gate_out), q(cos_gate_in)), all 27. With the canonical sign the last is never -1, and the
# rule (typical when c = a * b) says what such neurons would be all the same.
TABLE = {
    (1, 1, 1): "enrichment",
    (1, 1, 0): "atypical_enrichment",
    (1, 1, -1): "atypical_enrichment",
    (1, 0, 1): "atypical_conditional_enrichment",
    (1, 0, 0): "conditional_enrichment",
    (1, 0, -1): "atypical_conditional_enrichment",
    (1, -1, 1): "atypical_enrichment",
    (1, -1, 0): "atypical_enrichment",
    (1, -1, -1): "enrichment",
    (0, 1, 1): "atypical_proportional_change",
    (0, 1, 0): "proportional_change",
    (0, 1, -1): "atypical_proportional_change",
    (0, 0, 1): "orthogonal_output",
    (0, 0, 0): "orthogonal_output",
    (0, 0, -1): "orthogonal_output",
    (0, -1, 1): "atypical_proportional_change",
    (0, -1, 0): "proportional_change",
    (0, -1, -1): "atypical_proportional_change",
    (-1, 1, 1): "atypical_depletion",
    (-1, 1, 0): "atypical_depletion",
    (-1, 1, -1): "depletion",
    (-1, 0, 1): "atypical_conditional_depletion",
    (-1, 0, 0): "conditional_depletion",
    (-1, 0, -1): "atypical_conditional_depletion",
    (-1, -1, 1): "depletion",
    (-1, -1, 0): "atypical_depletion",
    (-1, -1, -1): "atypical_depletion",
}

HALF = np.float32(0.5)
ABOVE = np.nextafter(HALF, np.float32(1))
INSIDE = {1: (ABOVE, np.float32(1)), 0: (HALF, -HALF, np.float32(0)), -1: (-ABOVE, np.float32(-1))}
"""Float32 cosines of each q: the ends of its range."""


def _names(codes: torch.Tensor) -> list[str | None]:
    assert codes.dtype == torch.int8
    return [None if code == NO_CLASS else IO_CLASSES[code] for code in codes.tolist()]


def _column(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32)


def test_the_table_is_whole() -> None:
    assert len(TABLE) == 27
    assert set(TABLE.values()) == set(IO_CLASSES)


@pytest.mark.parametrize(("cell", "name"), TABLE.items())
def test_every_cell_up_to_its_edges(cell: tuple[int, int, int], name: str) -> None:
    triples = torch.tensor(list(itertools.product(*(INSIDE[q] for q in cell))), dtype=torch.float32)
    assert _names(classify(*triples.T)) == [name] * len(triples)


def test_cells_side_by_side() -> None:
    cells = torch.tensor(list(TABLE), dtype=torch.float32)
    assert _names(classify(*cells.T)) == list(TABLE.values())


def test_plain_blocks_have_three_classes() -> None:
    cosines = _column(1.0, ABOVE, HALF, 0.0, -HALF, -ABOVE, -1.0)
    expected = ["enrichment"] * 2 + ["orthogonal_output"] * 3 + ["depletion"] * 2
    assert _names(classify(cosines)) == expected
    assert set(expected) == set(PLAIN_CLASSES)


def test_a_missing_cosine_means_no_class() -> None:
    nan = float("nan")
    strong = _column(0.9, 0.9, 0.9, 0.9)
    missing = [_column(*(nan if row == column else 0.9 for row in range(4))) for column in range(3)]
    assert _names(classify(*missing)) == [None, None, None, "enrichment"]
    assert _names(classify(missing[1])) == ["enrichment", None, "enrichment", "enrichment"]
    assert _names(classify(strong, strong, strong)) == ["enrichment"] * 4


def test_no_neurons() -> None:
    empty = torch.empty(0)
    assert _names(classify(empty, empty, empty)) == _names(classify(empty)) == []
