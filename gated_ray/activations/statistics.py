"""Mergeable statistics of some neurons: whatever documents they were made from, in whatever order and company."""

from dataclasses import dataclass

import torch

from gated_ray.activations.rankings import Rankings
from gated_ray.activations.segments import COUNTS, Segments
from gated_ray.vocabulary import QUADRANTS, QUANTITIES


@dataclass
class NeuronStatistics:
    """Statistics before the canonical sign.

    Attributes:
        tokens: real tokens that each neuron saw, of an expert those routed to it, (neurons,) int64.
        counts: tokens by `COUNTS`, (counts, neurons) int64.
        sums: (quadrants * quantities, neurons) float64, in the order of `QUADRANTS` times `QUANTITIES`.
        rankings: the strongest documents.
    """

    tokens: torch.Tensor
    counts: torch.Tensor
    sums: torch.Tensor
    rankings: Rankings

    @classmethod
    def empty(cls, neurons: int, top: int, device: torch.device) -> "NeuronStatistics":
        """Of no documents; rankings will keep `top`."""
        return cls(
            torch.zeros(neurons, dtype=torch.int64, device=device),
            torch.zeros(len(COUNTS), neurons, dtype=torch.int64, device=device),
            torch.zeros(len(QUADRANTS) * len(QUANTITIES), neurons, dtype=torch.float64, device=device),
            Rankings.empty(neurons, top, device),
        )

    @classmethod
    def bytes_a_neuron(cls, top: int) -> int:
        """What a neuron takes in memory."""
        empty = cls.empty(1, top, torch.device("cpu"))
        tensors = (empty.tokens, empty.counts, empty.sums, empty.rankings.keys, empty.rankings.places)
        return sum(each.nbytes for each in tensors)

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

    def merge(self, other: "NeuronStatistics") -> None:
        """Take in the statistics of other documents."""
        self.tokens += other.tokens
        self.counts += other.counts
        self.sums += other.sums
        self.rankings.merge(other.rankings)
