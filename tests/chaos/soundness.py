"""What a store must hold, whatever happened on the way: what an uninterrupted sweep leaves, and nothing else."""

import io
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from gated_ray.settings import StoreSettings
from gated_ray.store.catalogue import open_store
from gated_ray.store.keys import TABLES
from gated_ray.store.objects import PROBE_KEY, Objects
from gated_ray.store.verify import verify_store

_PLACE = ["model_name", "model_revision", "profile_name", "layer", "component", "expert", "neuron"]


@dataclass(frozen=True)
class Holding:
    """What a store holds."""

    keys: frozenset[str]
    """All of them, but for the probe that a killed sweep may have left."""
    published: Mapping[str, bytes]
    """The published tables, by key; of the models table without the seconds, which no two sweeps have in common."""


def holding(objects: Objects) -> Holding:
    keys = [stored.key for stored in objects.list("") if stored.key != PROBE_KEY]
    tables = [key for key in keys if key.split("/")[0] in TABLES]
    return Holding(frozenset(keys), {key: _without_seconds(key, objects.get(key)) for key in tables})


def _without_seconds(key: str, body: bytes) -> bytes:
    if not key.startswith("models/"):
        return body
    table = pq.read_table(pa.BufferReader(body)).drop("seconds")
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue()


def problems(objects: Objects) -> list[str]:
    """What `jobs.verify` would print."""
    return [f"PROBLEM {problem}" for problem in verify_store(objects).problems]


def faults_of(objects: Objects, store: StoreSettings, expected: Holding, neurons: int) -> list[str]:
    """What is wrong with a store, beside one that nothing happened to; a line each."""
    found = problems(objects)
    held = holding(objects)
    found += [f"missing: {key}" for key in sorted(expected.keys - held.keys)]
    found += [f"stray: {key}" for key in sorted(held.keys - expected.keys)]
    common = held.published.keys() & expected.published.keys()
    found += [f"differs: {key}" for key in sorted(common) if held.published[key] != expected.published[key]]
    if found:
        return found
    rows = open_store(store.url, store.endpoint_url).neurons().to_table(columns=_PLACE)
    places = rows.group_by(_PLACE).aggregate([])
    if not rows.num_rows == places.num_rows == neurons:
        found.append(f"{rows.num_rows} rows of {places.num_rows} neurons instead of {neurons}")
    return found
