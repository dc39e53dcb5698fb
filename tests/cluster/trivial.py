"""Workers that commit without reading or computing: what is left of a sweep is its driver, its planner and its store."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import ray
import torch

from gated_ray.architectures.blocks import Block
from gated_ray.cluster import worker as worker_module
from gated_ray.measurement import LoadedBlock, Measured, load_block, measure_block
from gated_ray.settings import ProfileSettings, StoreSettings
from gated_ray.sources.origin import Origin
from tests.cluster.noting import NotingWorker


class TrivialWorker(NotingWorker):
    """Commits the numbers of the first block that it is given for every other too, which must be of equal shapes."""

    def __init__(self, store: StoreSettings, profile: ProfileSettings, threads: int) -> None:
        super().__init__(store, profile, threads)
        first = _First()
        worker_module.load_blocks = first.load
        worker_module.measure_block = first.measure


class _First:
    """Stands in for reading and measuring; both are done once."""

    def __init__(self) -> None:
        self._loaded: LoadedBlock | None = None
        self._measured: Measured | None = None

    def load(self, origin: Origin, blocks: Sequence[Block], *_: Any) -> list[LoadedBlock]:
        if self._loaded is None:
            self._loaded = load_block(origin, blocks[0])
        digests = self._loaded.digests.values()
        return [
            LoadedBlock(
                block,
                self._loaded.tensors,
                {part.name: digest for part, digest in zip(block.slices, digests, strict=True)},
            )
            for block in blocks
        ]

    def measure(self, loaded: LoadedBlock, profile: ProfileSettings, device: torch.device) -> Measured:
        if self._measured is None:
            assert self._loaded is not None
            self._measured = measure_block(self._loaded, profile, device)
        neurons, layers = (_at(table, loaded.block.layer) for table in self._measured)
        digests = [{"tensor": name, "digest": digest} for name, digest in loaded.digests.items()]
        place = layers.column_names.index("digests")
        return neurons, layers.set_column(place, "digests", pa.array([digests], layers["digests"].type))


def _at(table: pa.Table, layer: int) -> pa.Table:
    """The same rows in another layer."""
    column = table.column_names.index("layer")
    return table.set_column(column, "layer", pa.repeat(pa.scalar(layer, pa.int16()), table.num_rows))


TrivialActor = ray.remote(TrivialWorker)
