"""One model measured without Ray and without a store."""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import torch
from tqdm.auto import tqdm

from gated_ray.architectures.blocks import Block, find_blocks
from gated_ray.measurement import LoadedBlock, load_block, measure_block
from gated_ray.settings import ProfileSettings
from gated_ray.sources.checkpoint import Checkpoint, open_checkpoint, open_origin
from gated_ray.sources.origin import Origin
from gated_ray.store.keys import encode_name
from gated_ray.store.schemas import LAYERS, NEURONS

_PROGRESS_AFTER_SECONDS = 2


@dataclass(frozen=True)
class ModelGeometry:
    """Every MLP neuron of one model.

    Attributes:
        name: org/name, or the last component of a folder or prefix.
        revision: the Hub's commit; ``local`` for a folder or bucket, whose content is not digested here.
        profile: ``paper`` or ``residual``.
        config: config.json.
        neurons: one row a neuron, schema `gated_ray.store.schemas.NEURONS`.
        layers: one row a block, schema `gated_ray.store.schemas.LAYERS`.
    """

    name: str
    revision: str
    profile: str
    config: Mapping[str, Any]
    neurons: pa.Table
    layers: pa.Table

    def __repr__(self) -> str:
        return f"ModelGeometry({self.name!r}, {self.profile!r}, {self.layers.num_rows} blocks, {self.neurons.num_rows} neurons)"


def default_device() -> torch.device:
    """The GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def analyze(
    ref: str, profile: str = "paper", *, regions: str = "sampled", device: torch.device | str | None = None
) -> ModelGeometry:
    """Measure every MLP neuron of one model, layer by layer, without Ray and without a store.

    Memory holds two blocks' weights and the results, never the model.

    Args:
        ref: ``org/name[@revision]``, a folder, ``folder@subfolder``, or ``s3://bucket/prefix``.
        profile: how weights are prepared: ``paper`` or ``residual`` (METHOD section 2).
        regions: mismatched randomness regions: ``sampled``, ``exact`` or ``none``.
        device: where to compute; by default a GPU where there is one.

    Raises:
        GatedRayError: the model cannot be had or read; the message is one line that says why.
    """
    settings = ProfileSettings(name=profile, weights=profile, regions=regions)
    checkpoint = open_checkpoint(ref)
    blocks = find_blocks(checkpoint)
    where = torch.device(device) if device is not None else default_device()
    neurons, layers = [], []
    total = sum(block.bytes for block in blocks)
    with tqdm(total=total, unit="B", unit_scale=True, desc=checkpoint.name, delay=_PROGRESS_AFTER_SECONDS) as bar:
        for loaded in _read_ahead(open_origin(checkpoint.location), blocks):
            block_neurons, block_layers = measure_block(loaded, settings, where)
            neurons.append(block_neurons)
            layers.append(block_layers)
            bar.update(loaded.block.bytes)
    return ModelGeometry(
        name=checkpoint.name,
        revision=checkpoint.location.revision or "local",
        profile=profile,
        config=checkpoint.config,
        neurons=_with_partition(neurons, checkpoint, profile, NEURONS),
        layers=_with_partition(layers, checkpoint, profile, LAYERS),
    )


def _read_ahead(origin: Origin, blocks: Iterable[Block]) -> Iterator[LoadedBlock]:
    """Blocks in order, the next one being read while the caller computes."""
    with ThreadPoolExecutor(1) as reader:
        pending = None
        for block in blocks:
            following = reader.submit(load_block, origin, block)
            if pending is not None:
                yield pending.result()
            pending = following
        if pending is not None:
            yield pending.result()


def _with_partition(tables: list[pa.Table], checkpoint: Checkpoint, profile: str, schema: pa.Schema) -> pa.Table:
    table = pa.concat_tables(tables)
    values = {
        "model": encode_name(checkpoint.name),
        "revision": checkpoint.location.revision or "local",
        "profile": profile,
    }
    for name, value in values.items():
        table = table.append_column(schema.field(name), pa.repeat(value, table.num_rows))
    return table.cast(schema)
