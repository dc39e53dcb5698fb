"""Documents in batches of similar length, so that little is padded."""

from collections.abc import Iterator, Sequence


def batches(lengths: Sequence[int], most_tokens: int, *, pads: bool) -> Iterator[list[int]]:
    """Numbers of the documents of each batch, the longest first; documents without tokens are in none.

    Args:
        lengths: tokens by document.
        most_tokens: of a batch, padding included; a document that is longer is a batch of its own.
        pads: whether documents of different lengths may share a batch.
    """
    order = sorted((number for number, length in enumerate(lengths) if length), key=lambda each: (-lengths[each], each))
    batch: list[int] = []
    for number in order:
        longest = lengths[batch[0]] if batch else 0
        if batch and ((len(batch) + 1) * longest > most_tokens or (not pads and lengths[number] != longest)):
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch
