"""Tables to parquet bytes and back, always in memory and always the same bytes for the same rows."""

import json
from collections.abc import Iterable, Mapping
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from gated_ray.vocabulary import IO_CLASSES, QUADRANTS, QUANTITIES

_ACCEPTED = (
    (pa.types.is_string, (pa.types.is_large_string,)),
    (pa.types.is_floating, (pa.types.is_floating, pa.types.is_integer)),
    (pa.types.is_integer, (pa.types.is_integer,)),
)
"""For each kind of column in a schema, which kinds of column may be cast to it."""

_NAMES = {"io_class": IO_CLASSES, "quadrant": QUADRANTS, "quantity": QUANTITIES}
"""The values that a dictionary column may have."""


def conform(table: pa.Table, schema: pa.Schema, columns: Mapping[str, str]) -> pa.Table:
    """`table` in exactly this schema, with the partition's columns added.

    Args:
        table: holds the schema's columns in any order, with or without the partition's.
        schema: one of the dataset's.
        columns: value of each partition column.

    Raises:
        ValueError: a column is missing, unknown or doubled, has another kind of type, does not fit, or contradicts the
            partition.
    """
    for name, value in columns.items():
        if name not in table.column_names:
            table = table.append_column(name, pa.repeat(pa.scalar(value, pa.string()), table.num_rows))
        elif table[name].unique().to_pylist() not in ([value], []):
            raise ValueError(f"column {name} contradicts the partition's {value!r}")
    if sorted(table.column_names) != sorted(schema.names):
        wrong = sorted(set(table.column_names) ^ set(schema.names)) or "doubled"
        raise ValueError(f"columns missing, unknown or doubled: {wrong}")
    return pa.table([_conform_column(table[field.name], field) for field in schema], schema=schema)


def _conform_column(column: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
    if pa.types.is_dictionary(field.type):
        return _encode_names(column, field)
    if not _fits(column.type, field.type):
        raise ValueError(f"column {field.name} is {column.type} and not {field.type}")
    return column.cast(field.type)


def _encode_names(column: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
    """One fixed dictionary for all files: else equal rows could become different bytes."""
    if not _fits(getattr(column.type, "value_type", column.type), pa.string()):
        raise ValueError(f"column {field.name} is {column.type} and not {field.type}")
    known = pa.array(_NAMES[field.name])
    names = column.cast(pa.string()).combine_chunks()
    codes = pc.index_in(names, value_set=known)
    if codes.null_count != names.null_count:
        unknown = pc.unique(names.filter(pc.and_(codes.is_null(), names.is_valid()))).to_pylist()
        raise ValueError(f"column {field.name} holds unknown names {unknown}")
    return pa.chunked_array([pa.DictionaryArray.from_arrays(codes.cast(pa.int8()), known)])


def _fits(have: pa.DataType, want: pa.DataType) -> bool:
    """Whether a cast keeps the meaning; it may still fail on a value out of range."""
    if pa.types.is_null(have) or have == want:
        return True
    if pa.types.is_list(want):
        return bool(pa.types.is_list(have)) and _fits(have.value_type, want.value_type)
    accepted = next((accepted for is_kind, accepted in _ACCEPTED if is_kind(want)), ())
    return any(is_kind(have) for is_kind in accepted)


_MOST_GROUP_ROWS = 1 << 20

_COLUMNS = "columns"
"""Key, in a file's own metadata, of what each column means: readers other than Arrow do not show the fields' metadata."""


def to_parquet(tables: Iterable[pa.Table], schema: pa.Schema) -> bytes:
    """One parquet file with a row group for each table, or several of at most 2**20 rows; tables are taken one by one.

    The schema's fields have descriptions, which also stand in the file's key-value metadata, as a JSON object by column.
    """
    names = [f.name for f in schema if pa.types.is_string(f.type) or pa.types.is_dictionary(f.type)]
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, schema, compression="zstd", use_dictionary=names, write_statistics=True) as writer:
        for table in tables:
            writer.write_table(table, row_group_size=min(max(table.num_rows, 1), _MOST_GROUP_ROWS))
        meanings = {field.name: field.metadata[b"description"].decode() for field in schema}
        writer.add_key_value_metadata({_COLUMNS: json.dumps(meanings)})
    return cast(bytes, sink.getvalue().to_pybytes())


def from_parquet(body: bytes, schema: pa.Schema) -> pa.Table:
    """The rows of a file that `to_parquet` wrote in this schema.

    Raises:
        ValueError: not parquet, or in another schema.
    """
    # In this thread: those of Arrow, if the process ends while one starts, abort it (measured: 4 of 100 that read and end).
    table = pq.ParquetFile(pa.BufferReader(body)).read(use_threads=False)
    if not table.schema.equals(schema):
        raise ValueError(f"parquet columns {table.schema.names} are not {schema.names}")
    return table
