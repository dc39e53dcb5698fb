"""The actor that reads, measures and commits units."""

import threading
import time
from importlib.metadata import version

import pyarrow as pa
import ray
import torch

from gated_ray.analysis import default_device
from gated_ray.cluster.receipts import Phases, receipt_of
from gated_ray.cluster.units import PackedUnit, Receipt, Unit
from gated_ray.cluster.work import Publishing
from gated_ray.measurement import load_blocks, measure_block
from gated_ray.neurons.summaries import summarise_neurons
from gated_ray.settings import ProfileSettings, StoreSettings
from gated_ray.sources.buffers import buffers_for
from gated_ray.sources.checkpoint import open_origin
from gated_ray.sources.origin import Location, Origin
from gated_ray.store.keys import UnitKey
from gated_ray.store.objects import open_objects
from gated_ray.store.publish import publish
from gated_ray.store.units import commit_unit

_MOST_ORIGINS = 16


class Worker:
    """Does units one after another; errors come back as receipts, never as exceptions, so that Ray's own faults stand out."""

    def __init__(self, store: StoreSettings, profile: ProfileSettings, threads: int) -> None:
        torch.set_num_threads(threads)
        self._objects = open_objects(store)
        self._profile = profile
        self._device = default_device()
        self._allocate = buffers_for(self._device)
        self._computing = threading.Lock()
        self._opening = threading.Lock()
        self._origins: dict[Location, Origin] = {}
        self._versions = {name: version(name) for name in ("gated-ray", "torch", "ray", "pyarrow", "safetensors")}

    def ping(self) -> None:
        """Answers once the actor can take units."""

    def measure(self, unit: PackedUnit) -> Receipt:
        """Read, measure and commit one unit."""
        return receipt_of(lambda: self._measure(unit.unpack()))

    def publish(self, task: Publishing) -> Receipt:
        """Compact and publish one model."""
        return receipt_of(lambda: self._publish(task))

    def _publish(self, task: Publishing) -> Phases:
        started = time.monotonic()
        publish(
            self._objects,
            task.partition,
            [unit for unit in task.units if isinstance(unit, UnitKey)],
            task.model_row,
            identity=task.identity,
            summarise=summarise_neurons,
        )
        return {"publishing": time.monotonic() - started}

    def _measure(self, unit: Unit) -> Phases:
        started = time.monotonic()
        waited = computing = 0.0
        origin = self._origin(unit.location)
        neurons, layers = [], []
        digests: dict[str, str] = {}
        for loaded in load_blocks(origin, unit.blocks, self._allocate):
            digests |= loaded.digests
            asked = time.monotonic()
            with self._computing:
                begun = time.monotonic()
                waited += begun - asked
                block_neurons, block_layers = measure_block(loaded, self._profile, self._device)
                computing += time.monotonic() - begun
            neurons.append(block_neurons)
            layers.append(block_layers)
        measured = time.monotonic()
        commit_unit(
            self._objects,
            unit.partition,
            unit.key,
            pa.concat_tables(neurons),
            pa.concat_tables(layers),
            identity=unit.identity,
            bytes_read=unit.bytes,
            seconds=measured - started - waited,
            versions=self._versions,
            digests=digests,
        )
        reading = measured - started - waited - computing
        return {"reading": reading, "computing": computing, "committing": time.monotonic() - measured}

    def _origin(self, location: Location) -> Origin:
        """The one reader of a location: it keeps connections, links and clients, which are dear to make."""
        with self._opening:
            origin = self._origins.pop(location, None) or open_origin(location)
            self._origins[location] = origin
            if len(self._origins) > _MOST_ORIGINS:  # a worker may see thousands of models
                del self._origins[next(iter(self._origins))]
            return origin


WorkerActor = ray.remote(Worker)
