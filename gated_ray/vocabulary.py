"""The names of the IO classes and cosines, shared by the computation and the dataset, and how counts are worded."""

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
"""All classes (METHOD section 3), from the most enriching to the most depleting: the order of tables and figures."""

PLAIN_CLASSES = ("enrichment", "orthogonal_output", "depletion")
"""The classes of a plain (ungated) block."""

COSINES = ("cos_gate_in", "cos_gate_out", "cos_in_out")

HISTOGRAM_BINS = 10
"""Bins of width 0.2 over [-1, 1] in which cos_in_out is counted."""


def counted(count: int, noun: str) -> str:
    """A number of things in words: ``1 model``, ``1,000 models``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
