"""The texts of a token dataset cut into the pieces that its tokens cover, each kept once."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.dataset as ds

LETTERS = 120
"""Most characters kept of a piece; a longer one ends in an ellipsis."""

_COLUMNS = ["document", "ids", "text", "starts"]

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Pieces:
    """All tokens of a dataset, document after document."""

    documents: Positions
    """Documents, ascending."""
    ends: Positions
    """Where the tokens of each document begin, and at last the number of all tokens."""
    codes: npt.NDArray[np.int32]
    """The piece of every token."""
    words: list[str | int]
    """The pieces: what a token covers of its text; the token's id where that is nothing or not known."""

    def places(self, documents: Positions, positions: Positions) -> tuple[Positions, Positions, Positions]:
        """Of tokens: where in `codes` they are, and where their documents begin and end; -1 where there is none such."""
        if not len(self.documents):
            none = np.full(len(documents), -1, dtype=np.int64)
            return none, none, none
        rows = np.searchsorted(self.documents, documents).clip(0, len(self.documents) - 1)
        first, last = self.ends[rows], self.ends[rows + 1]
        places = first + positions
        known = (self.documents[rows] == documents) & (positions >= 0) & (places < last)
        return np.where(known, places, -1), np.where(known, first, -1), np.where(known, last, -1)


NO_PIECES = Pieces(np.zeros(0, dtype=np.int64), np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.int32), [])
"""Of a dataset whose texts are not known."""


def read_pieces(tokens: ds.Dataset) -> Pieces:
    """All pieces of a dataset of schema `TOKENS`: 4 bytes a token, beside the pieces themselves."""
    codes_of: dict[str | int, int] = {}
    documents: list[int] = []
    codes: list[npt.NDArray[np.int32]] = []
    for batch in tokens.to_batches(columns=_COLUMNS):
        for row in pa.Table.from_batches([batch]).to_pylist():
            documents.append(row["document"])
            mine = [codes_of.setdefault(piece, len(codes_of)) for piece in _cut(row)]
            codes.append(np.array(mine, dtype=np.int32))
    order = np.argsort(np.array(documents, dtype=np.int64), kind="stable")
    lengths = np.array([len(codes[row]) for row in order], dtype=np.int64)
    return Pieces(
        documents=np.array(documents, dtype=np.int64)[order],
        ends=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        codes=np.concatenate([np.zeros(0, dtype=np.int32), *(codes[row] for row in order)]),
        words=list(codes_of),
    )


def _cut(row: dict[str, Any]) -> list[str | int]:
    ids, text, starts = row["ids"], row["text"], row["starts"]
    if text is None or starts is None:
        return list(ids)
    pieces = (text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True))
    return [_bounded(piece) if piece else token for piece, token in zip(pieces, ids, strict=True)]


def _bounded(piece: str) -> str:
    return piece if len(piece) <= LETTERS else f"{piece[: LETTERS - 1]}…"
