"""Which byte ranges to ask for, so that few requests bring the bytes needed and little else."""

import itertools
from collections.abc import Sequence

from gated_ray.sources.origin import Span

_MOST_GAP = 1 << 20
_MOST_WASTE = 0.015
"""Share of the needed bytes that gaps may add: with headers, at most 1.02 times the bytes needed are to be fetched."""


def merge_spans(spans: Sequence[Span]) -> list[Span]:
    """Join spans of one file across small gaps, the smallest gaps first, while the waste stays below 1.5 %.

    Args:
        spans: what is needed; may touch or be equal, not overlap otherwise. Empty ones are left out.

    Returns:
        Fewer, larger spans that cover them, in order.
    """
    ordered = sorted({span for span in spans if span[1] > span[0]})
    allowance = _MOST_WASTE * sum(end - begin for begin, end in ordered)
    gaps = sorted((after[0] - before[1], index) for index, (before, after) in enumerate(itertools.pairwise(ordered)))
    joined = set()
    for gap, index in gaps:
        if gap > min(_MOST_GAP, allowance):
            break
        allowance -= gap
        joined.add(index)
    merged: list[Span] = []
    for index, (begin, end) in enumerate(ordered):
        if index - 1 in joined:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((begin, end))
    return merged
