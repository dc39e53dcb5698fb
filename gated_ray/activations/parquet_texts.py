"""Texts of a parquet file: of row groups that nothing is wanted of, nothing is read."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from gated_ray.activations.chunks import Chunk, Rows, Take, Text
from gated_ray.activations.reading import broken, open_parquet
from gated_ray.activations.text_files import TextFile
from gated_ray.errors import InputError
from gated_ray.sources.trees import Tree

_BATCH_BYTES = 8 << 20
"""As many rows are decoded at a time as have so many bytes on average."""
_MOST_ROWS = 4096
_NAMED = 12
"""Columns that a message names at most."""


class ParquetTexts:
    """One column of one file.

    Args:
        tree, file, column, most: as `gated_ray.activations.documents.chunks` has them.
    """

    def __init__(self, tree: Tree, file: TextFile, column: str, most: int) -> None:
        self._tree = tree
        self._file = file
        self._where = tree.full(file.path)
        self._column = column
        self._most = most
        self._parquet = open_parquet(tree, file)
        _check_column(self._parquet.schema_arrow, column, self._where)

    def chunks(self) -> Iterator[Chunk]:
        """A chunk for each row group."""
        metadata = self._parquet.metadata
        number = [metadata.schema.column(index).path for index in range(metadata.num_columns)].index(self._column)
        first = 0
        for group in range(metadata.num_row_groups):
            rows, facts = metadata.row_group(group).num_rows, metadata.row_group(group).column(number)
            batch_rows = min(max(_BATCH_BYTES * rows // max(facts.total_uncompressed_size, 1), 1), _MOST_ROWS)
            yield Chunk(rows, facts.total_compressed_size, self._taker(group, batch_rows, first))
            first += rows

    def _taker(self, group: int, batch_rows: int, first: int) -> Take:
        def take(wanted: Rows) -> Iterator[Text]:
            begin = 0
            for values in self._batches(group, batch_rows):
                some = wanted[np.searchsorted(wanted, begin) : np.searchsorted(wanted, begin + len(values))]
                for row in some.tolist():
                    yield self._text(values[row - begin], first + row)
                begin += len(values)

        return take

    def _batches(self, group: int, rows: int) -> Iterator[pa.Array]:
        try:
            for batch in self._parquet.iter_batches(
                rows, row_groups=[group], columns=[self._column], use_threads=False
            ):
                yield batch.column(0)
        except (pa.ArrowException, OSError) as error:
            raise broken(self._tree, self._file, error) from error

    def _text(self, value: pa.Scalar, row: int) -> Text:
        try:
            text: str | None = value.as_py()
        except UnicodeDecodeError as error:
            return InputError(f"{self._where}: the text of row {row} is not UTF-8 (byte {error.start})")
        return None if text is None else text[: self._most]


def _check_column(schema: pa.Schema, column: str, where: str) -> None:
    """Raises InputError where there is no such column of text."""
    if schema.names.count(column) != 1:
        more = f" and {len(schema.names) - _NAMED} more" if len(schema.names) > _NAMED else ""
        there = ", ".join(schema.names[:_NAMED]) + more
        raise InputError(
            f"{where}: has {'no' if column not in schema.names else 'more than one'} column {column!r} but {there}; set data.column"
        )
    kind = schema.field(column).type
    values = kind.value_type if pa.types.is_dictionary(kind) else kind
    if not (pa.types.is_string(values) or pa.types.is_large_string(values) or pa.types.is_string_view(values)):
        raise InputError(f"{where}: column {column!r} is no text but {kind}; set data.column")
