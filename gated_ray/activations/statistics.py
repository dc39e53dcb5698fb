"""Mergeable statistics of one block's neurons: whatever documents they were made from, in whatever order and company."""

from dataclasses import dataclass

import torch

from gated_ray.activations.rankings import Rankings
from gated_ray.activations.segments import COUNTS, Segments
from gated_ray.vocabulary import QUADRANTS, QUANTITIES


@dataclass
class BlockStatistics:
    """Statistics of one block, before the canonical sign.

    Attributes:
        tokens: real tokens that the block saw; those routed to it, for an expert.
        counts: tokens by `COUNTS`, (counts, neurons) int64.
        sums: (quadrants * quantities, neurons) float64, in the order of `QUADRANTS` times `QUANTITIES`.
        rankings: the strongest documents.
    """

    tokens: int
    counts: torch.Tensor
    sums: torch.Tensor
    rankings: Rankings

    @classmethod
    def empty(cls, neurons: int, k: int, device: torch.device) -> "BlockStatistics":
        return cls(
            0,
            torch.zeros(len(COUNTS), neurons, dtype=torch.int64, device=device),
            torch.zeros(len(QUADRANTS) * len(QUANTITIES), neurons, dtype=torch.float64, device=device),
            Rankings.empty(neurons, k, device),
        )

    @property
    def neurons(self) -> int:
        return self.counts.shape[1]

    def add(self, segments: Segments, documents: torch.Tensor, tokens: int) -> None:
        """Take in a batch of documents, none of which was taken before.

        Args:
            segments: of the batch.
            documents: their rows, (documents,) int64.
            tokens: real ones of them.
        """
        self.tokens += tokens
        self.counts += segments.counts.sum(1)
        self.sums += segments.sums.sum(1)
        self.rankings.add(segments.strongest, documents)

    def merge(self, other: "BlockStatistics") -> None:
        """Take in the statistics of other documents."""
        self.tokens += other.tokens
        self.counts += other.counts
        self.sums += other.sums
        self.rankings.merge(other.rankings)
