"""Reading the dataset back: the published tables of a store, as pyarrow datasets and tables."""

import operator
from collections.abc import Iterator, Sequence
from functools import reduce

import pyarrow as pa
import pyarrow.dataset as ds

from gated_ray.errors import InputError
from gated_ray.settings import StoreSettings
from gated_ray.store.activation_schemas import ACTIVATION_MODELS, ACTIVATIONS, EXAMPLES, TOKENS
from gated_ray.store.joining import joined
from gated_ray.store.keys import TABLES, Partition
from gated_ray.store.objects import Objects, concurrently, open_objects
from gated_ray.store.parquet import from_parquet
from gated_ray.store.publication import Publication, read_publication
from gated_ray.store.schemas import EXPERT_LAYERS, LAYERS, MODELS, NEURONS
from gated_ray.store.tokens import read_token_dataset, token_partitions


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
        self._publications = [each for each in publications if not each.partition.dataset]
        self._statistics = [each for each in publications if each.partition.dataset]

    def __repr__(self) -> str:
        statistics = f", {len(self._statistics)} with activation statistics" if self._statistics else ""
        return f"Store({self._objects.url!r}, {len(self._publications)} published{statistics})"

    def neurons(self, model: str | None = None, revision: str | None = None, profile: str | None = None) -> ds.Dataset:
        """One row a neuron (schema `NEURONS`), read only as far as a query needs.

        Args:
            model: ``org/name``, or as the path has it, ``org--name``; None takes all.
            revision: as the path has it; None takes all.
            profile: None takes all.

        Raises:
            InputError: nothing published answers to this.
        """
        return self._dataset("neurons", NEURONS, self._select(model, revision, profile))

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

    def activations(
        self,
        model: str | None = None,
        revision: str | None = None,
        profile: str | None = None,
        dataset: str | None = None,
    ) -> ds.Dataset:
        """One row a gated neuron with its activation statistics (schema `ACTIVATIONS`), read only as far as a query needs.

        Args:
            model, revision, profile: as for `neurons`.
            dataset: name of the token dataset; None takes all.

        Raises:
            InputError: no statistics answer to this.
        """
        return self._dataset("activations", ACTIVATIONS, self._select_statistics(model, revision, profile, dataset))

    def examples(
        self,
        model: str | None = None,
        revision: str | None = None,
        profile: str | None = None,
        dataset: str | None = None,
    ) -> ds.Dataset:
        """The strongest documents of every neuron (schema `EXAMPLES`); arguments and errors as for `activations`."""
        return self._dataset("examples", EXAMPLES, self._select_statistics(model, revision, profile, dataset))

    def activation_models(self) -> pa.Table:
        """One row a model, revision, profile and dataset with activation statistics (schema `ACTIVATION_MODELS`)."""
        return self._table("activation_models", ACTIVATION_MODELS, self._statistics)

    def neurons_with_activations(
        self,
        model: str | None = None,
        revision: str | None = None,
        profile: str | None = None,
        dataset: str | None = None,
    ) -> pa.Table:
        """The rows of `activations`, each with the cosines, norms and class of its neuron.

        Only where the weights of the same model, revision and profile are published too; arguments as for `activations`.

        Raises:
            InputError: no statistics answer to this, or none of a model whose weights are published.
            CorruptionError: the two tables of a model have other neurons.
        """
        weights = {each.partition: each for each in self._publications}
        found = self._select_statistics(model, revision, profile, dataset)
        both = [(weights[each.partition.of_weights], each) for each in found if each.partition.of_weights in weights]
        if not both:
            names = ", ".join(sorted({each.partition.model for each in found}))
            raise InputError(
                f"{self._objects.url}: the weights of {names} are not published there; run jobs.sweep on them"
            )
        tables = [
            joined(
                self._table("neurons", NEURONS, [of_weights]),
                self._table("activations", ACTIVATIONS, [of_statistics]),
                of_statistics.partition.path,
            )
            for of_weights, of_statistics in both
        ]
        return pa.concat_tables(tables)

    def tokens(self, dataset: str, tokenizer_digest: str | None = None) -> ds.Dataset:
        """The documents of a token dataset (schema `TOKENS`), so that examples can be shown.

        Args:
            dataset: its name.
            tokenizer_digest: as the activation_models table has it; None takes those of all tokenizers.

        Raises:
            InputError: the store holds no such dataset.
        """
        partitions = [
            each
            for each in token_partitions(self._objects)
            if each.dataset == dataset and tokenizer_digest in (None, each.tokenizer)
        ]
        found = [each for each in (read_token_dataset(self._objects, one) for one in partitions) if each is not None]
        if not found:
            raise InputError(f"{self._objects.url}: holds no token dataset {dataset!r}")
        keys = [shard.object.key for each in found for shard in each.shards]
        return _files(self._objects, keys, TOKENS, None)

    def bodies(
        self, table: str, model: str, revision: str, profile: str, dataset: str | None = None
    ) -> Iterator[bytes]:
        """The published parquet files of one table of one model, one by one, as they are.

        Raises:
            InputError: nothing published answers to this.
        """
        selected = (
            self._select(model, revision, profile)
            if dataset is None
            else self._select_statistics(model, revision, profile, dataset)
        )
        for publication in selected:
            yield from map(self._objects.get, publication.keys(table))

    def _dataset(self, table: str, schema: pa.Schema, publications: Sequence[Publication]) -> ds.Dataset:
        keys = [(publication, key) for publication in publications for key in publication.keys(table)]
        guarantees = [_guarantee(publication.partition) for publication, _ in keys]
        return _files(self._objects, [key for _, key in keys], schema, guarantees)

    def _table(self, table: str, schema: pa.Schema, publications: Sequence[Publication]) -> pa.Table:
        keys = [key for publication in publications for key in publication.keys(table)]
        tables = concurrently(lambda key: from_parquet(self._objects.get(key), schema), keys)
        return pa.concat_tables([schema.empty_table(), *tables])

    def _select(self, model: str | None, revision: str | None, profile: str | None) -> list[Publication]:
        return _select(self._objects.url, self._publications, model, revision, profile, None)

    def _select_statistics(
        self, model: str | None, revision: str | None, profile: str | None, dataset: str | None
    ) -> list[Publication]:
        if not self._statistics:
            raise InputError(f"{self._objects.url}: no activation statistics there; run jobs.activations")
        return _select(self._objects.url, self._statistics, model, revision, profile, dataset)


def _select(
    url: str,
    publications: Sequence[Publication],
    model: str | None,
    revision: str | None,
    profile: str | None,
    dataset: str | None,
) -> list[Publication]:
    selected = [
        each
        for each in publications
        if model in (None, each.partition.model, each.partition.encoded_model)
        and revision in (None, each.partition.revision)
        and profile in (None, each.partition.profile)
        and dataset in (None, each.partition.dataset)
    ]
    if not selected:
        asked = {"model": model, "revision": revision, "profile": profile, "dataset": dataset}
        wanted = ", ".join(f"{name}={value!r}" for name, value in asked.items() if value is not None)
        held = ", ".join(sorted({each.partition.model for each in publications})) or "none"
        raise InputError(f"{url}: nothing published with {wanted}; models there: {held}")
    return selected


def _complete_publications(objects: Objects) -> list[Publication]:
    """Those whose tables are all there as recorded: one listing a table and one GET a model."""
    stored = {each.key: each for table in TABLES for each in objects.list(f"{table}/")}
    partitions = set()
    for key in stored:
        table, _, path = key.partition("/")
        if table in ("models", "activation_models"):
            try:
                partitions.add(Partition.parse(path.rpartition("/")[0]))
            except ValueError:
                continue
    publications = concurrently(lambda partition: read_publication(objects, partition), sorted(partitions))
    return [each for each in publications if each is not None and each.is_whole(stored)]


def _files(
    objects: Objects, keys: Sequence[str], schema: pa.Schema, guarantees: Sequence[ds.Expression] | None
) -> ds.Dataset:
    """A dataset of these files.

    Args:
        guarantees: what all rows of each have in common.
    """
    filesystem, root = objects.filesystem()
    return ds.FileSystemDataset.from_paths(
        [f"{root}/{key}" for key in keys],
        schema=schema,
        format=ds.ParquetFileFormat(),
        filesystem=filesystem,
        partitions=list(guarantees) if guarantees is not None else None,
    )


def _guarantee(partition: Partition) -> ds.Expression:
    """What all rows of a partition's files have in common, so that filters can pass over whole files."""
    one, *others = (ds.field(name) == value for name, value in partition.columns.items())
    return reduce(operator.and_, others, one)
