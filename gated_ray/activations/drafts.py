"""Rows gathered into shards: where each of them ends follows from the rows alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from gated_ray.activations.encoding import Ids
from gated_ray.activations.telling import Told
from gated_ray.activations.token_rows import Row, RowSource
from gated_ray.store.activation_schemas import TOKENS

_BY_PARTITION = ("dataset_name", "tokenizer_digest")


@dataclass
class Draft:
    """A shard that is being filled.

    Attributes:
        first: row of its first document within the dataset.
        rows: its documents.
        tokens: of them.
        empty: documents without tokens that were met.
        until: file and row of the last document that was looked at.
        is_last: whether no shard follows.
    """

    first: int
    rows: list[Row] = field(default_factory=list)
    tokens: int = 0
    empty: int = 0
    until: tuple[int, int] = (0, 0)
    is_last: bool = False

    def add(self, row: Row) -> None:
        self.rows.append(row)
        self.tokens += len(row.encoded.ids)
        self.until = row.until

    def table(self) -> pa.Table:
        """The rows in the schema `TOKENS`, without the partition's columns."""
        encoded = [row.encoded for row in self.rows]
        columns = {
            "document": pa.array(np.arange(self.first, self.first + len(self.rows)), pa.int64()),
            "ids": _lists([each.ids for each in encoded]),
            "text": pa.array([each.text for each in encoded], pa.string()),
            "starts": _lists([each.starts for each in encoded]),
            "source": pa.array([row.source for row in self.rows], pa.string()),
            "source_row": pa.array([row.source_row for row in self.rows], pa.int64()),
            "truncated": pa.array([each.truncated for each in encoded], pa.bool_()),
        }
        schema = pa.schema([field for field in TOKENS if field.name not in _BY_PARTITION])
        return pa.table(columns, schema=schema)


def drafts(
    source: RowSource,
    behind: tuple[int, int] | None,
    documents: int,
    tokens: int,
    *,
    shard_tokens: int,
    max_tokens: int | None,
    told: Told,
) -> Iterator[Draft]:
    """The shards that follow.

    A shard ends with the row that reaches `shard_tokens`, the dataset with the one that reaches `max_tokens`; rows are taken
    whole. A shard is given when the next row is there, or none is: so the last one knows that it is.

    Args:
        source: of the rows.
        behind: file and row where the shards before ended; None for the beginning.
        documents, tokens: in the shards before.
        shard_tokens, max_tokens: see above; None for all rows.
        told: is told of every row.
    """
    draft = Draft(documents)
    empty = 0
    for row in source.behind(behind):
        if row.encoded.is_empty:
            empty += 1
            behind = row.until
            if not source.keeps_empty:
                continue
        if draft.tokens >= shard_tokens:
            yield draft
            draft = Draft(draft.first + len(draft.rows))
        draft.add(row)
        draft.empty, empty = draft.empty + empty, 0
        behind = row.until
        tokens += len(row.encoded.ids)
        told.made(draft.first + len(draft.rows), tokens)
        if max_tokens is not None and tokens >= max_tokens:
            break
    if draft.rows and behind is not None:
        draft.empty, draft.until, draft.is_last = draft.empty + empty, behind, True
        yield draft


def _lists(values: Sequence[Ids | None]) -> pa.Array:
    """Lists of int32; null for None."""
    lengths = [0 if each is None else len(each) for each in values]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    flat = np.concatenate([np.empty(0, np.int32), *(each for each in values if each is not None)])
    missing = pa.array([each is None for each in values], pa.bool_())
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat, pa.int32()), mask=missing)
