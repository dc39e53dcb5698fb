"""The k strongest documents of every neuron, by every list of `segments.LISTS`, in whatever order documents come."""

from dataclasses import dataclass

import torch

from gated_ray.activations.segments import LISTS, MOST_POSITIONS

MOST_DOCUMENTS = 1 << 32
_LOW = MOST_DOCUMENTS - 1
_NOTHING = -1


@dataclass
class Rankings:
    """The strongest documents so far.

    Attributes:
        keys: (lists, neurons, k) int64: the value's bits above, the document counted down below, so that of equal values the
            lower document is larger; -1 for none. No two documents have the same key: the k largest are the same whatever
            the order.
        places: twice the token's position, plus one where the value is negative, (lists, neurons, k) int32.
    """

    keys: torch.Tensor
    places: torch.Tensor

    @classmethod
    def empty(cls, neurons: int, k: int, device: torch.device) -> "Rankings":
        keys = torch.full((len(LISTS), neurons, k), _NOTHING, dtype=torch.int64, device=device)
        return cls(keys, torch.zeros(keys.shape, dtype=torch.int32, device=device))

    def add(self, strongest: torch.Tensor, documents: torch.Tensor) -> None:
        """Take documents in, none of which was taken before.

        Args:
            strongest: of `segment_statistics`, (lists, documents, neurons).
            documents: their rows, (documents,) int64.
        """
        low = strongest & _LOW
        keys = ((strongest >> 32) << 32) | (_LOW - documents)[None, :, None]
        keys = torch.where(strongest < 0, _NOTHING, keys)
        places = ((MOST_POSITIONS - 1 - (low >> 1)) << 1 | low & 1).to(torch.int32)
        self._merge(keys.transpose(1, 2), places.transpose(1, 2))

    def merge(self, other: "Rankings") -> None:
        """Take in what was found in other documents."""
        self._merge(other.keys, other.places)

    def _merge(self, keys: torch.Tensor, places: torch.Tensor) -> None:
        """(lists, neurons, any number) into what is kept; only where something is stronger than the weakest kept."""
        weakest = self.keys.amin(2)
        lists, neurons = (keys.amax(2) > weakest).nonzero(as_tuple=True)
        if not len(lists):
            return
        candidates = torch.cat([self.keys[lists, neurons], keys[lists, neurons]], dim=1)
        best = candidates.topk(self.keys.shape[2], dim=1)
        self.keys[lists, neurons] = best.values
        both = torch.cat([self.places[lists, neurons], places[lists, neurons]], dim=1)
        self.places[lists, neurons] = both.gather(1, best.indices)


@dataclass(frozen=True)
class Examples:
    """Rankings as numbers, strongest first, each (lists, neurons, k).

    Attributes:
        values: float32, signed.
        documents: int64; -1 where there is none.
        positions: int32.
    """

    values: torch.Tensor
    documents: torch.Tensor
    positions: torch.Tensor


def examples(rankings: Rankings) -> Examples:
    """What the keys say."""
    order = rankings.keys.argsort(dim=2, descending=True)
    keys, places = rankings.keys.gather(2, order), rankings.places.gather(2, order)
    there = keys >= 0
    values = torch.where(there, keys >> 32, 0).to(torch.int32).view(torch.float32)
    return Examples(
        torch.where((places & 1).bool(), -values, values),
        torch.where(there, _LOW - (keys & _LOW), -1),
        torch.where(there, places >> 1, 0).to(torch.int32),
    )
