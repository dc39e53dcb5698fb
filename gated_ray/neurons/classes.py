"""IO classes from the three cosines (METHOD section 3; arXiv 2505.17936)."""

import torch

from gated_ray.vocabulary import IO_CLASSES

THRESHOLD = 0.5

_CODE = {name: code for code, name in enumerate(IO_CLASSES)}

NO_CLASS = -1
"""Code of a neuron that lacks a cosine."""

_BY_OUTPUT = {
    (1, 1): "enrichment",
    (1, 0): "conditional_enrichment",
    (0, 1): "proportional_change",
    (0, 0): "orthogonal_output",
    (-1, 0): "conditional_depletion",
    (-1, 1): "depletion",
}
"""(a, abs(b)) to the class without its prefix."""


def _gated_table() -> torch.Tensor:
    """Codes by (a + 1, b + 1, c + 1), shape (3, 3, 3), int8."""
    table = torch.empty(3, 3, 3, dtype=torch.int8)
    for a in (-1, 0, 1):
        for b in (-1, 0, 1):
            name = _BY_OUTPUT[a, abs(b)]
            for c in (-1, 0, 1):
                typical = c == a * b or name == "orthogonal_output"
                table[a + 1, b + 1, c + 1] = _CODE[name if typical else f"atypical_{name}"]
    return table


_GATED_TABLE = _gated_table()
_PLAIN_TABLE = torch.tensor([_CODE["depletion"], _CODE["orthogonal_output"], _CODE["enrichment"]], dtype=torch.int8)


def _ternary(cosine: torch.Tensor) -> torch.Tensor:
    """1 above the threshold, -1 below its negative, else 0; strict. Shape kept, int64."""
    return (cosine > THRESHOLD).long() - (cosine < -THRESHOLD).long()


def classify(
    cos_in_out: torch.Tensor, cos_gate_out: torch.Tensor | None = None, cos_gate_in: torch.Tensor | None = None
) -> torch.Tensor:
    """The class of each neuron as an index into `IO_CLASSES`, or `NO_CLASS` where a cosine is NaN.

    Args:
        cos_in_out, cos_gate_out, cos_gate_in: (neurons,) cosines after the canonical sign; the last two are None for
            plain blocks.

    Returns:
        (neurons,) int8.
    """
    a = _ternary(cos_in_out) + 1
    missing = cos_in_out.isnan()
    if cos_gate_out is None or cos_gate_in is None:
        codes = _PLAIN_TABLE.to(a.device)[a]
    else:
        codes = _GATED_TABLE.to(a.device)[a, _ternary(cos_gate_out) + 1, _ternary(cos_gate_in) + 1]
        missing = missing | cos_gate_out.isnan() | cos_gate_in.isnan()
    return codes.masked_fill(missing, NO_CLASS)
