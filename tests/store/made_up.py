"""Made-up models: units with every kind of column, and the sweep that stores and publishes them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from gated_ray.neurons.summaries import summarise_neurons
from gated_ray.settings import ProfileSettings
from gated_ray.store.keys import Partition, UnitKey
from gated_ray.store.objects import Objects, StoredObject
from gated_ray.store.publish import Publication, publish, published
from gated_ray.store.records import BLOCKS
from gated_ray.store.schemas import LAYERS, MODELS, NEURONS
from gated_ray.store.units import Manifest, commit_unit, committed_units
from gated_ray.vocabulary import COSINES, IO_CLASSES

PROFILE = ProfileSettings()
IDENTITY = PROFILE.identity() | {BLOCKS: "ab" * 16}
LLAMA = Partition("meta-llama/Llama-3.1-8B", "a" * 40, "paper")
MOE = Partition("org/moe", "local-0123456789ab", "paper")
DENSE_UNITS = [UnitKey(layer, "mlp") for layer in range(3)]
MOE_UNITS = [
    UnitKey(0, "mlp"),
    UnitKey(1, "expert", 0, 2),
    UnitKey(1, "expert", 3, 5),
    UnitKey(1, "shared_expert"),
    UnitKey(2, "expert", 0, 5),
]
D_MLP = 8


def unit_tables(unit: UnitKey, seed: int = 0) -> tuple[pa.Table, pa.Table]:
    """Neurons and layers of a unit, without partition columns; the first neuron of each block has no cosine."""
    experts = list(range(unit.first, unit.last + 1)) if unit.component == "expert" else [None]
    rng = np.random.default_rng([seed, unit.layer, unit.first, len(unit.component)])
    neurons, layers = [], []
    for expert in experts:
        block = {"layer": unit.layer, "component": unit.component, "expert": expert}
        for neuron in range(D_MLP):
            sound = neuron > 0
            row = {cosine: float(np.float32(rng.uniform(-1, 1))) if sound else None for cosine in COSINES}
            row |= {norm: float(np.float32(rng.uniform(0, 2))) for norm in ("norm_gate", "norm_in", "norm_out")}
            io_class = str(rng.choice(IO_CLASSES)) if sound else None
            neurons.append({**block, "neuron": neuron, **row, "sign": 1, "io_class": io_class})
        facts = {name: 0.5 for name in LAYERS.names if pa.types.is_floating(LAYERS.field(name).type)}
        facts |= dict.fromkeys(IO_CLASSES, 1)
        layers.append(
            {
                **block,
                **facts,
                "gated": True,
                "d_model": 4,
                "neurons": D_MLP,
                "neurons_without_cosine": 1,
                "mismatched_regions": "sampled",
                "mismatched_pairs": 2_000_000,
                "mismatched_seed": 0,
                "cos_in_out_histogram": rng.integers(0, 9, 10).tolist(),
                "bytes_read": 1000,
                "digest": f"{rng.integers(1 << 60):016x}",
                "digests": [
                    {"tensor": f"layers.{unit.layer}.{name}_proj.weight", "digest": f"{rng.integers(1 << 60):016x}"}
                    for name in ("gate", "up", "down")
                ],
            }
        )
    return (
        pa.Table.from_pylist(neurons, schema=_without_partition(NEURONS)),
        pa.Table.from_pylist(layers, schema=_without_partition(LAYERS)),
    )


def _without_partition(schema: pa.Schema) -> pa.Schema:
    return pa.schema([field for field in schema if field.name not in LLAMA.columns])


def commit(
    objects: Objects,
    partition: Partition,
    unit: UnitKey,
    *,
    seed: int = 0,
    identity: dict[str, Any] = IDENTITY,
    seconds: float = 0.25,
) -> Manifest:
    """Do one unit as a worker does."""
    neurons, layers = unit_tables(unit, seed)
    return commit_unit(
        objects,
        partition,
        unit,
        neurons,
        layers,
        identity=identity,
        bytes_read=1000,
        seconds=seconds,
        versions={"torch": "2.0"},
        digests={f"layers.{unit.layer}.down_proj.weight": "ab" * 8},
    )


def model_row(partition: Partition) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(set(MODELS.names) - set(partition.columns))
    derived = ("blocks", "neurons", "neurons_without_cosine", "bytes_read", "seconds")
    row = {name: value for name, value in row.items() if name not in derived}
    lists = {"dtypes": ["BF16"], "components": ["mlp"], "biases": [], "left_out": [], "quantization": []}
    lists |= {"activation": ["silu"], "product": ["act(gate) * in"], "norm": ["rms"]}
    return row | {"source": "hub", "gated": True, "d_model": 4, **lists, **PROFILE.identity()}


def sweep(
    objects: Objects, partition: Partition = LLAMA, units: Sequence[UnitKey] = DENSE_UNITS, **options: Any
) -> Publication:
    """Do what is missing and publish, as the driver does."""
    if whole := published(objects, partition, IDENTITY):
        return whole
    committed = committed_units(objects, partition, IDENTITY)
    for unit in units:
        if unit.id not in committed:
            commit(objects, partition, unit)
    return publish(
        objects, partition, units, model_row(partition), identity=IDENTITY, summarise=summarise_neurons, **options
    )


def contents(objects: Objects) -> dict[str, bytes]:
    """Every key and its bytes."""
    return {stored.key: objects.get(stored.key) for stored in objects.list("")}


class KilledError(Exception):
    """The process died here."""


def die() -> None:
    raise KilledError


@dataclass
class Interrupted:
    """A store whose user is interrupted once, before it changes something for the `changes`-th time (from 0)."""

    objects: Objects
    changes: int
    interruption: Callable[[], object] = die

    @property
    def url(self) -> str:
        return self.objects.url

    def put(self, key: str, body: bytes) -> StoredObject:
        self._change()
        return self.objects.put(key, body)

    def get(self, key: str) -> bytes:
        return self.objects.get(key)

    def list(self, prefix: str, *, digest: bool = False) -> Iterator[StoredObject]:
        return self.objects.list(prefix, digest=digest)

    def delete(self, key: str) -> None:
        self._change()
        self.objects.delete(key)

    def check_writable(self) -> None:
        self.objects.check_writable()

    def _change(self) -> None:
        if self.changes == 0:
            self.interruption()
        self.changes -= 1
