"""Documents in batches of similar length, so that little is padded."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence

_TOKENS_A_DOCUMENT = 32
"""A batch has no more documents than there would be of this length: what is worked out for each (about 600 bytes a neuron)
would else take more memory than its tokens."""
_FEW = 8
"""Documents that any batch may have."""


def batches(lengths: Sequence[int], most_tokens: int, *, pads: bool, turns: Sequence[int] = ()) -> Iterator[list[int]]:
    """Numbers of the documents of each batch, the longest first; documents without tokens are in none.

    Args:
        lengths: tokens by document.
        most_tokens: of a batch, padding included; a document that is longer is a batch of its own.
        pads: whether documents of different lengths may share a batch.
        turns: lengths, ascending, beyond which the model takes a whole batch in another way: longer documents share no batch
            with others.
    """
    order = sorted((number for number, length in enumerate(lengths) if length), key=lambda each: (-lengths[each], each))
    most = max(_FEW, most_tokens // _TOKENS_A_DOCUMENT)
    batch: list[int] = []
    for number in order:
        longest = lengths[batch[0]] if batch else 0
        is_full = (len(batch) + 1) * longest > most_tokens or len(batch) >= most
        alike = pads and bisect_left(turns, lengths[number]) == bisect_left(turns, longest)
        if batch and (is_full or not (alike or lengths[number] == longest)):
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch
