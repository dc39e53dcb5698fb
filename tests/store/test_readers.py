"""The readers that people use see every row, with model, revision and profile, in a folder of two models."""

import json
from pathlib import Path

import datasets
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from gated_ray.settings import StoreSettings
from gated_ray.store.keys import WEIGHT_TABLES, table_key
from gated_ray.store.objects import open_objects
from tests.store.made_up import D_MLP, DENSE_UNITS, LLAMA, MOE, MOE_UNITS, KilledError, sweep, unit_tables

ROWS_SAY = ["model_name", "model_revision", "profile_name"]
COLUMNS = [*ROWS_SAY, "layer", "component", "expert", "neuron", "cos_in_out", "io_class"]


@pytest.fixture
def neurons(tmp_path: Path) -> Path:
    """The neurons table, in several parts, beside everything else that a store holds."""
    objects = open_objects(StoreSettings(url=str(tmp_path / "results")))
    sweep(objects, LLAMA, DENSE_UNITS)
    sweep(objects, MOE, MOE_UNITS, part_rows=7 * D_MLP)
    return tmp_path / "results" / "neurons"


def expected() -> list[tuple[object, ...]]:
    rows = [
        row | partition.columns
        for partition, units in ((LLAMA, DENSE_UNITS), (MOE, MOE_UNITS))
        for unit in units
        for row in unit_tables(unit)[0].to_pylist()
    ]
    return in_order(rows)


def in_order(rows: list[dict[str, object]]) -> list[tuple[object, ...]]:
    return sorted((tuple(row[name] for name in COLUMNS) for row in rows), key=repr)


@pytest.mark.parametrize("options", ["", ", hive_partitioning=true", ", hive_partitioning=false"])
def test_duckdb(neurons: Path, options: str) -> None:
    query = f"SELECT {', '.join(COLUMNS)} FROM read_parquet('{neurons}/**/*.parquet'{options})"
    with duckdb.connect() as connection:
        table = connection.sql(query).to_arrow_table()
    assert in_order(table.to_pylist()) == expected()


@pytest.mark.parametrize("hive_partitioning", [None, True, False])
def test_polars(neurons: Path, hive_partitioning: bool | None) -> None:
    frame = pl.scan_parquet(neurons / "**/*.parquet", hive_partitioning=hive_partitioning).select(COLUMNS).collect()
    assert in_order(frame.to_dicts()) == expected()
    folder = pl.read_parquet(neurons, hive_partitioning=hive_partitioning).select(COLUMNS)
    assert in_order(folder.to_dicts()) == expected()


@pytest.mark.parametrize("partitioning", [None, "hive"])
def test_pyarrow_dataset(neurons: Path, partitioning: str | None) -> None:
    table = ds.dataset(neurons, format="parquet", partitioning=partitioning).to_table(columns=COLUMNS)
    assert in_order(table.to_pylist()) == expected()


@pytest.mark.parametrize("partitioning", [None, "hive"])
def test_pyarrow_table(neurons: Path, partitioning: str | None) -> None:
    table = pq.read_table(neurons, partitioning=partitioning, columns=COLUMNS)
    assert in_order(table.to_pylist()) == expected()


def test_pandas(neurons: Path) -> None:
    frame = pd.read_parquet(neurons, dtype_backend="pyarrow")[COLUMNS]
    assert in_order(pa.Table.from_pandas(frame).to_pylist()) == expected()


def test_what_the_path_says_is_what_the_rows_say(neurons: Path) -> None:
    """For readers that take columns from the path: the same revision and profile, and the model as keys spell it."""
    query = f"SELECT DISTINCT model, revision, profile, {', '.join(ROWS_SAY)} FROM '{neurons}/*/*/*/*.parquet'"
    frames = [pl.scan_parquet(neurons).select("model", "revision", "profile", *ROWS_SAY).unique().collect().rows()]
    with duckdb.connect() as connection:
        frames.append(connection.sql(query).fetchall())
    columns = ["model", "revision", "profile", *ROWS_SAY]
    table = ds.dataset(neurons, partitioning="hive").to_table(columns=columns).group_by(columns).aggregate([])
    frames.append([tuple(row.values()) for row in table.to_pylist()])
    wanted = [(each.encoded_model, each.revision, each.profile, *each.columns.values()) for each in (LLAMA, MOE)]
    for frame in frames:
        assert sorted(frame) == sorted(wanted)


def test_hugging_face_datasets(neurons: Path, tmp_path: Path) -> None:
    loaded = datasets.load_dataset(
        "parquet", data_files=f"{neurons}/**/*.parquet", split="train", cache_dir=str(tmp_path / "cache")
    )
    assert in_order(loaded.select_columns(COLUMNS).to_list()) == expected()


@pytest.mark.parametrize(("table", "rows"), [("layers", [3, 14]), ("models", [1, 1])])
def test_every_reader_reads_the_smaller_tables(neurons: Path, tmp_path: Path, table: str, rows: list[int]) -> None:
    files = f"{neurons.parent}/{table}/**/*.parquet"
    partition = list(LLAMA.columns)
    wanted = [each for each, count in zip((LLAMA, MOE), rows, strict=True) for _ in range(count)]
    with duckdb.connect() as connection:
        read = [connection.sql(f"SELECT * FROM '{files}'").to_arrow_table()]
    read.append(pl.read_parquet(files).to_arrow())
    read.append(ds.dataset(neurons.parent / table).to_table())
    loaded = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path / "cache"))
    read.append(loaded.with_format("arrow")[:])
    for each in read:
        assert sorted(each.select(partition).to_pylist(), key=repr) == [place.columns for place in wanted]


def test_every_reader_reads_the_digests_of_tensors(neurons: Path, tmp_path: Path) -> None:
    files = f"{neurons.parent}/layers/**/*.parquet"
    with duckdb.connect() as connection:
        query = f"SELECT d.tensor, d.digest FROM (SELECT unnest(digests) AS d FROM '{files}')"
        read = [connection.sql(query).fetchall()]
    read.append(pl.read_parquet(files).select("digests").explode("digests").unnest("digests").rows())
    rows = ds.dataset(neurons.parent / "layers").to_table()["digests"].to_pylist()
    rows_of_pandas = pd.read_parquet(neurons.parent / "layers")["digests"].tolist()
    rows_of_datasets = datasets.load_dataset(
        "parquet", data_files=files, split="train", cache_dir=str(tmp_path / "cache")
    )["digests"]
    for lists in (rows, rows_of_pandas, rows_of_datasets):
        read.append([(each["tensor"], each["digest"]) for digests in lists for each in digests])
    units = [*DENSE_UNITS, *MOE_UNITS]
    wanted = [
        tuple(each.values()) for unit in units for row in unit_tables(unit)[1].to_pylist() for each in row["digests"]
    ]
    assert len(wanted) == 3 * (3 + 14)
    for each in read:
        assert sorted(each) == sorted(wanted)


@pytest.mark.parametrize("table", WEIGHT_TABLES)
def test_duckdb_shows_what_columns_mean(neurons: Path, table: str) -> None:
    (file,) = (neurons.parent / table).glob(f"model={MOE.encoded_model}/**/part-00000.parquet")
    with duckdb.connect() as connection:
        query = f"SELECT decode(value) FROM parquet_kv_metadata('{file}') WHERE decode(key) = 'columns'"
        ((text,),) = connection.sql(query).fetchall()
    schema = pq.read_schema(file)
    assert json.loads(text) == {name: schema.field(name).metadata[b"description"].decode() for name in schema.names}


def test_what_a_killed_writer_leaves_behind_disturbs_no_reader(
    neurons: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object, **__: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", die)
        patch.setattr(Path, "unlink", die)
        with pytest.raises(KilledError):
            open_objects(StoreSettings(url=str(neurons.parent))).put(table_key("neurons", LLAMA, 1), b"half")
    test_duckdb(neurons, "")
    test_polars(neurons, None)
    test_pyarrow_dataset(neurons, "hive")
    test_hugging_face_datasets(neurons, tmp_path)
