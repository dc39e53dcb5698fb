"""A store's published tables as a folder that the Hugging Face Hub takes as a dataset: parquet files by config, and a card."""

import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from gated_ray.errors import InputError
from gated_ray.reports.dataset_card import dataset_card
from gated_ray.reports.reference_columns import reference_tables
from gated_ray.settings import ExportSettings
from gated_ray.store.catalogue import open_store
from gated_ray.store.keys import encode_name

CONFIGS = ("weights", "activations", "examples")
_CARD = "README.md"


@dataclass(frozen=True)
class Export:
    """What was written.

    Attributes:
        folder: absolute.
        files: parquet files by config.
        rows: by config.
    """

    folder: Path
    files: Mapping[str, int]
    rows: Mapping[str, int]


def export_dataset(settings: ExportSettings) -> Export:
    """Write the folder.

    Raises:
        InputError: nothing is published that was asked for, or the folder cannot be written or holds something already.
        StoreError, TransientError: the store could not be read.
    """
    store = open_store(settings.store.url, settings.store.endpoint_url)
    weights = _chosen(store.models(), settings)
    statistics = _chosen(store.activation_models(), settings)
    if not weights and not statistics:
        raise InputError(
            f"{settings.store.url}: nothing published with model={settings.model!r}, profile {settings.profile.name!r}, "
            f"dataset={settings.dataset!r}"
        )
    writer = _Writer(Path(settings.out).absolute())
    try:
        for row in weights:
            writer.copy("weights", row, store.bodies("neurons", *_key(row)))
        for row in statistics:
            if settings.columns == "reference":
                activations, examples = (read(*_key(row)) for read in (store.activations, store.examples))
                writer.write("activations", row, reference_tables(activations, examples))
            else:
                for table in ("activations", "examples"):
                    writer.copy(table, row, store.bodies(table, *_key(row)))
        card = dataset_card(list(writer.rows), weights, statistics, settings.columns, settings.license)
        writer.finish(card)
    except OSError as error:
        raise InputError(f"out={settings.out}: cannot write {error.filename}: {error.strerror}") from error
    return Export(writer.folder, writer.files, writer.rows)


class _Writer:
    """Writes beside the folder, and puts it in its place when all is there: nobody takes a half for the whole.

    Raises:
        InputError: the folder holds something that no export wrote.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, int] = {}
        self.rows: dict[str, int] = {}
        held = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        if strange := sorted(held - {_CARD, *CONFIGS}):
            raise InputError(f"out={folder}: holds {strange[0]}, which is no part of an export; name another folder")
        folder.parent.mkdir(parents=True, exist_ok=True)
        self._scratch = TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent)
        self._new = Path(self._scratch.name) / folder.name
        self._new.mkdir()

    def copy(self, config: str, row: Mapping[str, Any], bodies: Iterable[bytes]) -> None:
        """Published files as they are."""
        for number, body in enumerate(bodies):
            self._path(config, row, number).write_bytes(body)
            self._count(config, 1, pq.read_metadata(pa.BufferReader(body)).num_rows)

    def write(self, config: str, row: Mapping[str, Any], tables: Iterator[pa.Table]) -> None:
        """Tables of one schema, a row group each."""
        first = next(tables)
        with pq.ParquetWriter(self._path(config, row, 0), first.schema, compression="zstd") as writer:
            for table in chain([first], tables):
                writer.write_table(table)
                self._count(config, 0, table.num_rows)
        self._count(config, 1, 0)

    def finish(self, card: str) -> None:
        (self._new / _CARD).write_text(card, encoding="utf-8", newline="\n")
        if self.folder.exists():
            shutil.rmtree(self.folder)
        self._new.rename(self.folder)
        self._scratch.cleanup()

    def _path(self, config: str, row: Mapping[str, Any], number: int) -> Path:
        names = [encode_name(row["model_name"]), row["model_revision"], encode_name(row.get("dataset_name", ""))]
        folder = self._new / config
        folder.mkdir(exist_ok=True)
        return folder / f"{'.'.join(name for name in names if name)}.{number:05d}.parquet"

    def _count(self, config: str, files: int, rows: int) -> None:
        self.files[config] = self.files.get(config, 0) + files
        self.rows[config] = self.rows.get(config, 0) + rows


def _chosen(models: pa.Table, settings: ExportSettings) -> list[dict[str, Any]]:
    wanted = {"model_name": settings.model, "profile_name": settings.profile.name, "dataset_name": settings.dataset}
    for column, value in wanted.items():
        if value is not None and column in models.column_names:
            models = models.filter(pc.equal(models[column], value))
    rows: list[dict[str, Any]] = models.to_pylist()
    return sorted(rows, key=lambda row: (row["model_name"], row["model_revision"], row.get("dataset_name", "")))


def _key(row: Mapping[str, Any]) -> tuple[str, ...]:
    """What names a row's partition."""
    names = ("model_name", "model_revision", "profile_name", "dataset_name")
    return tuple(row[name] for name in names if name in row)
