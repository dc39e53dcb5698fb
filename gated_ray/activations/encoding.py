"""Texts as a tokenizer of transformers encodes them by itself, cut at the right."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

CHARACTERS_PER_TOKEN = 64
"""Of a document, no more than so many characters for every token of ``max_length`` are looked at."""


_ENOUGH_PER_TOKEN = 8
"""Characters that are looked at first, which mostly settles the matter: long documents then cost no more than short ones."""
_WORDS_APART = 16
_CHARACTERS_APART = 128

Ids = NDArray[np.int32]


@dataclass(frozen=True)
class Encoded:
    """A document as tokens.

    Attributes:
        ids: int32 ``[tokens]``, special ones included; at most ``max_length``.
        starts: int32 ``[tokens]``, first character in `text` of each token, that of the next one for a special token; None
            where the tokenizer does not say.
        text: the document up to the end of its last token; None where that is not known.
        truncated: whether some of the document is left out.
        is_empty: whether no token stands for text.
    """

    ids: Ids
    starts: Ids | None
    text: str | None
    truncated: bool
    is_empty: bool


def encode(tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str], max_length: int) -> list[Encoded]:
    """The texts with the special tokens that the tokenizer adds, at most `max_length` tokens each."""
    if not tokenizer.is_fast:
        return [_slowly(tokenizer, text, max_length) for text in texts]
    most = _ENOUGH_PER_TOKEN * max_length
    found = _encodings(tokenizer, [text[:most] for text in texts], max_length)
    unsure = [n for n, text in enumerate(texts) if len(text) > most and not _is_settled(found[n])]
    for number, encoding in zip(unsure, _encodings(tokenizer, [texts[n] for n in unsure], max_length), strict=True):
        found[number] = encoding
    return [_encoded(encoding, text) for encoding, text in zip(found, texts, strict=True)]


def _encodings(tokenizer: "PreTrainedTokenizerBase", texts: list[str], max_length: int) -> list[Any]:
    """Of the tokenizers library, cut, with what was cut off."""
    if not texts:
        return []
    return list(tokenizer(texts, truncation=True, max_length=max_length, padding=False).encodings or ())


def _is_settled(encoding: Any) -> bool:
    """Whether more text behind it would not change the tokens that are kept: they end words before what was looked at does.

    A tokenizer that knows no words, and may weigh the whole text for every token, is never sure.
    """
    if not encoding.overflowing:
        return False
    kept, last = _last_of_text(encoding), _last_of_text(encoding.overflowing[-1])
    return last[0] - kept[0] >= _WORDS_APART and last[1] - kept[1] >= _CHARACTERS_APART


def _last_of_text(encoding: Any) -> tuple[int, int]:
    """Word of the last token that stands for text, and the character behind it."""
    ends = (
        (word, stop) for word, (_, stop) in zip(encoding.word_ids, encoding.offsets, strict=True) if word is not None
    )
    return max(ends, default=(-1, 0))


def _slowly(tokenizer: "PreTrainedTokenizerBase", text: str, max_length: int) -> Encoded:
    whole = tokenizer(text, return_special_tokens_mask=True, verbose=False)
    truncated = len(whole["input_ids"]) > max_length
    ids = tokenizer(text, truncation=True, max_length=max_length)["input_ids"] if truncated else whole["input_ids"]
    is_empty = all(whole["special_tokens_mask"])
    return Encoded(np.array(ids, np.int32), None, None if truncated else text, truncated, is_empty)


def _encoded(encoding: Any, text: str) -> Encoded:
    """Of an encoding of the tokenizers library."""
    special = np.array(encoding.special_tokens_mask, bool)
    spans = np.array(encoding.offsets, np.int32).reshape(-1, 2)
    end = int(spans[~special, 1].max(initial=0))
    begins = np.where(special, end, spans[:, 0])
    starts = np.minimum.accumulate(begins[::-1])[::-1].astype(np.int32)
    ids = np.array(encoding.ids, np.int32)
    return Encoded(ids, starts, text[:end], bool(encoding.overflowing), bool(special.all()))
