"""Activation tables and texts of chance, in the store's schemas, and a store that has them."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from gated_ray.errors import InputError
from gated_ray.store.activation_schemas import ACTIVATIONS, EXAMPLES, TOKENS
from gated_ray.store.catalogue import Store
from gated_ray.vocabulary import QUADRANTS, QUANTITIES, ranked_quantities
from tests.reports.atlas.made_up import REVISION, MadeUpBlock

DATASET = "tiny/docs"
TOKENIZER = "0123456789ab"
K = 16

_PLACE = ("model_name", "model_revision", "profile_name", "dataset_name")

Tables = dict[str, pa.Table]
"""``activations``, ``examples`` and ``tokens``."""


def tokens_table(texts: Sequence[str | None], dataset: str = DATASET) -> pa.Table:
    """Words and marks as tokens after one special token each; a text that is None has ids only."""
    vocabulary: dict[str, int] = {"": 0}
    rows = []
    for document, text in enumerate(texts):
        found = list(re.finditer(r"\s?\w+|\W", text or "some given ids here", re.DOTALL))
        ids = [0, *(vocabulary.setdefault(each[0], len(vocabulary)) for each in found)]
        starts = [0, *(each.start() for each in found)]
        rows.append(
            {
                "document": document,
                "ids": ids,
                "text": text,
                "starts": None if text is None else starts,
                "truncated": False,
                "dataset_name": dataset,
                "tokenizer_digest": TOKENIZER,
            }
        )
    return pa.Table.from_pylist(rows, schema=TOKENS)


def activity_tables(name: str, blocks: Sequence[MadeUpBlock], texts: Sequence[str | None]) -> Tables:
    """Statistics and examples of chance for every neuron of the blocks; every tenth neuron has never been in the last quadrant."""
    tokens = tokens_table(texts)
    place = {"model_name": name, "model_revision": REVISION, "profile_name": "paper", "dataset_name": DATASET}
    made = [_of_block(block, place, tokens) for block in blocks]
    return {
        "activations": pa.concat_tables([each[0] for each in made]),
        "examples": pa.concat_tables([each[1] for each in made]),
        "tokens": tokens,
    }


class ActiveStore:
    """A store with the methods that read activations, for the models and datasets of given tables."""

    def __init__(self, store: Store, tables: Tables) -> None:
        self._store = store
        self._tables = tables

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def activation_models(self) -> pa.Table:
        """Every model and dataset that has activations."""
        columns = [*_PLACE, "tokenizer_digest"]
        table = self._tables.get("activations", ACTIVATIONS.empty_table()).select(_PLACE)
        found = table.group_by(list(_PLACE), use_threads=False).aggregate([])
        return found.append_column("tokenizer_digest", pa.repeat(TOKENIZER, found.num_rows)).select(columns)

    def activations(self, *place: str) -> ds.Dataset:
        return self._select("activations", *place)

    def examples(self, *place: str) -> ds.Dataset:
        return self._select("examples", *place)

    def tokens(self, dataset: str, tokenizer_digest: str) -> ds.Dataset:
        return _some(self._tables.get("tokens"), {"dataset_name": dataset, "tokenizer_digest": tokenizer_digest})

    def _select(self, table: str, *place: str) -> ds.Dataset:
        return _some(self._tables.get(table), dict(zip(_PLACE, place, strict=True)))


def _some(table: pa.Table | None, where: dict[str, str]) -> ds.Dataset:
    if table is None:
        raise InputError("nothing there")
    for column, value in where.items():
        table = table.filter(pc.equal(table[column], value))
    if table.num_rows == 0:
        raise InputError(f"nothing there with {where}")
    return ds.dataset(table)


def _of_block(block: MadeUpBlock, place: dict[str, str], tokens: pa.Table) -> tuple[pa.Table, pa.Table]:
    rng = np.random.default_rng([7, block.layer, block.expert or 0])
    n = block.neurons
    where = {"layer": block.layer, "component": block.component, "expert": block.expert}
    statistics: dict[str, Any] = {
        "neuron": np.arange(n),
        "sign": np.ones(n),
        "tokens": np.full(n, 20_480),
        "nan_tokens": np.zeros(n),
        "routed_share": [None if block.expert is None else 0.125] * n,
        "gate_positive_freq": rng.uniform(0, 1, n),
    }
    for quadrant in QUADRANTS:
        statistics[f"{quadrant}_freq"] = rng.uniform(0, 0.5, n)
        for quantity in QUANTITIES:
            statistics[f"{quadrant}_mean_{quantity}"] = rng.normal(0, 1, n)
    activations = _table(ACTIVATIONS, n, statistics | where | place)
    examples = [
        _examples(rng, n, quadrant, quantity, tokens, where | place)
        for quadrant in QUADRANTS
        for quantity in ranked_quantities(quadrant)
    ]
    return activations, pa.concat_tables(examples)


def _examples(
    rng: np.random.Generator, n: int, quadrant: str, quantity: str, tokens: pa.Table, constants: dict[str, Any]
) -> pa.Table:
    """`K` entries a neuron of one list; none for every tenth neuron in the last quadrant."""
    lengths = pc.list_value_length(tokens["ids"]).to_numpy()
    neurons = np.arange(n)
    if quadrant == QUADRANTS[-1]:
        neurons = neurons[neurons % 10 != 0]
    k = min(K, len(lengths))
    documents = np.argsort(rng.random((len(neurons), len(lengths))), axis=1)[:, :k]
    sizes = -np.sort(-rng.lognormal(0, 1, (len(neurons), k)), axis=1)
    columns = {
        "neuron": np.repeat(neurons, k),
        "quadrant": quadrant,
        "quantity": quantity,
        "rank": np.tile(np.arange(k), len(neurons)),
        "value": (sizes if quadrant in (QUADRANTS[0], QUADRANTS[3]) else -sizes).ravel(),
        "document": documents.ravel(),
        "position": (rng.random(documents.shape) * lengths[documents]).astype(int).ravel(),
    }
    return _table(EXAMPLES, len(neurons) * k, columns | constants)


def _table(schema: pa.Schema, rows: int, columns: dict[str, Any]) -> pa.Table:
    arrays = []
    for field in schema:
        value = columns[field.name]
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        array = (
            pa.repeat(pa.scalar(value, kind), rows)
            if value is None or np.isscalar(value)
            else pa.array(value, kind, safe=False)
        )
        arrays.append(array.dictionary_encode().cast(field.type) if pa.types.is_dictionary(field.type) else array)
    return pa.table(arrays, schema=schema)
