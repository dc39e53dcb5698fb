"""Reading the dataset back: the published tables of a store, as pyarrow datasets and tables."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.dataset as ds

from gated_ray.errors import InputError
from gated_ray.settings import StoreSettings
from gated_ray.store.keys import TABLES, Partition
from gated_ray.store.objects import Objects, concurrently, open_objects
from gated_ray.store.parquet import from_parquet
from gated_ray.store.publication import Publication, read_publication
from gated_ray.store.schemas import EXPERT_LAYERS, LAYERS, MODELS, NEURONS


def open_store(url: str, endpoint_url: str | None = None) -> "Store":
    """The dataset at `url`, as it stands now.

    Args:
        url: a folder or ``s3://bucket/prefix``.
        endpoint_url: of the S3 server; None leaves it to the AWS configuration.

    Raises:
        InputError: nothing is published there.
        StoreError, TransientError: the store could not be read.
    """
    objects = open_objects(StoreSettings(url=url, endpoint_url=endpoint_url))
    publications = _complete_publications(objects)
    if not publications:
        raise nothing_published(objects.url)
    return Store(objects, publications)


def nothing_published(url: str) -> InputError:
    """For a place that holds no published model, be it a store or not."""
    return InputError(f"{url}: no published models there; check the store's URL, or run the sweep first")


class Store:
    """The models that were wholly published when the store was opened."""

    def __init__(self, objects: Objects, publications: Sequence[Publication]) -> None:
        self._objects = objects
        self._publications = publications

    def __repr__(self) -> str:
        return f"Store({self._objects.url!r}, {len(self._publications)} published)"

    def neurons(self, model: str | None = None, revision: str | None = None, profile: str | None = None) -> ds.Dataset:
        """One row a neuron (schema `NEURONS`), read only as far as a query needs.

        Args:
            model: ``org/name``, or as the path has it, ``org--name``; None takes all.
            revision: as the path has it; None takes all.
            profile: None takes all.

        Raises:
            InputError: nothing published answers to this.
        """
        selected = self._select(model, revision, profile)
        filesystem, root = self._objects.filesystem()
        keys = [(publication, key) for publication in selected for key in publication.keys("neurons")]
        return ds.FileSystemDataset.from_paths(
            [f"{root}/{key}" for _, key in keys],
            schema=NEURONS,
            format=ds.ParquetFileFormat(),
            filesystem=filesystem,
            partitions=[_guarantee(publication.partition) for publication, _ in keys],
        )

    def layers(self, model: str | None = None, revision: str | None = None, profile: str | None = None) -> pa.Table:
        """One row a block (schema `LAYERS`); arguments and errors as for `neurons`."""
        return self._table("layers", LAYERS, self._select(model, revision, profile))

    def expert_layers(
        self, model: str | None = None, revision: str | None = None, profile: str | None = None
    ) -> pa.Table:
        """One row a layer of experts (schema `EXPERT_LAYERS`), none for models without; arguments and errors as for `neurons`."""
        return self._table("expert_layers", EXPERT_LAYERS, self._select(model, revision, profile))

    def models(self) -> pa.Table:
        """One row a published model, revision and profile (schema `MODELS`)."""
        return self._table("models", MODELS, self._publications)

    def _table(self, table: str, schema: pa.Schema, publications: Sequence[Publication]) -> pa.Table:
        keys = [key for publication in publications for key in publication.keys(table)]
        tables = concurrently(lambda key: from_parquet(self._objects.get(key), schema), keys)
        return pa.concat_tables([schema.empty_table(), *tables])

    def _select(self, model: str | None, revision: str | None, profile: str | None) -> list[Publication]:
        selected = [
            each
            for each in self._publications
            if model in (None, each.partition.model, each.partition.encoded_model)
            and revision in (None, each.partition.revision)
            and profile in (None, each.partition.profile)
        ]
        if not selected:
            asked = {"model": model, "revision": revision, "profile": profile}
            wanted = ", ".join(f"{name}={value!r}" for name, value in asked.items() if value is not None)
            held = ", ".join(sorted({each.partition.model for each in self._publications}))
            raise InputError(f"{self._objects.url}: nothing published with {wanted}; models there: {held}")
        return selected


def _complete_publications(objects: Objects) -> list[Publication]:
    """Those whose tables are all there as recorded: one listing a table and one GET a model."""
    stored = {each.key: each for table in TABLES for each in objects.list(f"{table}/")}
    partitions = set()
    for key in stored:
        if key.startswith("models/"):
            try:
                partitions.add(Partition.parse(key.removeprefix("models/").rpartition("/")[0]))
            except ValueError:
                continue
    publications = concurrently(lambda partition: read_publication(objects, partition), sorted(partitions))
    return [each for each in publications if each is not None and each.is_whole(stored)]


def _guarantee(partition: Partition) -> ds.Expression:
    """What all rows of a partition's files have in common, so that filters can pass over whole files."""
    model, revision, profile = (ds.field(name) == value for name, value in partition.columns.items())
    return model & revision & profile
