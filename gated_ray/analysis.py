"""One model measured without Ray and without a store."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import torch
from tqdm.auto import tqdm

from gated_ray.architectures.blocks import Block, find_blocks
from gated_ray.measurement import Measured, load_block, measure_block, one_thread
from gated_ray.settings import ProfileSettings
from gated_ray.sources.checkpoint import Checkpoint, open_checkpoint, open_origin
from gated_ray.store.keys import Partition
from gated_ray.store.schemas import LAYERS, NEURONS

_PROGRESS_AFTER_SECONDS = 2
_BYTES_AT_ONCE = 1 << 30


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

    Blocks are measured side by side, each in a thread of its own. Memory holds the weights of the few under way and the
    results, never the model.

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
    origin = open_origin(checkpoint.location)

    def measure(block: Block) -> Measured:
        return measure_block(load_block(origin, block), settings, where)

    neurons, layers = [], []
    total = sum(block.bytes for block in blocks)
    bar = tqdm(total=total, unit="B", unit_scale=True, desc=checkpoint.name, delay=_PROGRESS_AFTER_SECONDS)
    width = _width(blocks)
    with one_thread(), bar:
        measured = _several_at_once(measure, blocks, width)
        for block, (block_neurons, block_layers) in zip(blocks, measured, strict=True):
            neurons.append(block_neurons)
            layers.append(block_layers)
            bar.update(block.bytes)
    return ModelGeometry(
        name=checkpoint.name,
        revision=checkpoint.location.revision or "local",
        profile=profile,
        config=checkpoint.config,
        neurons=_with_partition(neurons, checkpoint, profile, NEURONS),
        layers=_with_partition(layers, checkpoint, profile, LAYERS),
    )


def _several_at_once(work: Callable[[Block], Measured], blocks: Iterable[Block], width: int) -> Iterator[Measured]:
    """``work`` of every block, in order, `width` at a time, so that some are read while others are measured."""
    with ThreadPoolExecutor(width) as pool:
        pending: deque[Future[Measured]] = deque()
        for block in blocks:
            pending.append(pool.submit(work, block))
            if len(pending) > width:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _width(blocks: Sequence[Block]) -> int:
    """As many blocks at once as torch would use threads, while their weights stay below 1 GiB; two at least, to read ahead."""
    largest = max(block.bytes for block in blocks)
    return max(2, min(torch.get_num_threads(), _BYTES_AT_ONCE // largest))


def _with_partition(tables: list[pa.Table], checkpoint: Checkpoint, profile: str, schema: pa.Schema) -> pa.Table:
    table = pa.concat_tables(tables)
    partition = Partition(checkpoint.name, checkpoint.location.revision or "local", profile)
    for name, value in partition.columns.items():
        table = table.append_column(schema.field(name), pa.repeat(value, table.num_rows))
    return table.cast(schema)
