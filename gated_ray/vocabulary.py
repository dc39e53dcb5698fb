"""The names that the computation and the dataset share (classes, cosines, quadrants, quantities), and how counts are worded."""

IO_CLASSES = (
    "enrichment",
    "atypical_enrichment",
    "conditional_enrichment",
    "atypical_conditional_enrichment",
    "proportional_change",
    "atypical_proportional_change",
    "orthogonal_output",
    "conditional_depletion",
    "atypical_conditional_depletion",
    "depletion",
    "atypical_depletion",
)
"""All classes (METHOD section 3), from the most enriching to the most depleting: the order of the dataset's columns."""

PLAIN_CLASSES = ("enrichment", "orthogonal_output", "depletion")
"""The classes of a plain (ungated) block."""

COSINES = ("cos_gate_in", "cos_gate_out", "cos_in_out")

HISTOGRAM_BINS = 10
"""Bins of width 0.2 over [-1, 1] in which cos_in_out is counted."""

QUADRANTS = ("gate+_in+", "gate+_in-", "gate-_in+", "gate-_in-")
"""Quadrants of a token by the signs of the gate's pre-activation and of the linear part (METHOD section 6)."""

QUANTITIES = ("post", "in", "gate", "act")
"""What is averaged in each quadrant, and by whose absolute value documents are ranked."""


def ranked_quantities(quadrant: str) -> tuple[str, ...]:
    """The quantities by which a quadrant's documents are ranked: ``act`` only where the gate is negative."""
    return QUANTITIES if quadrant.startswith("gate-") else QUANTITIES[:3]


def counted(count: int, noun: str) -> str:
    """A number of things in words: ``1 model``, ``1,000 models``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
