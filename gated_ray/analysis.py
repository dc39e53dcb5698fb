"""One model measured without Ray and without a store."""

import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from tqdm.auto import tqdm

from gated_ray.architectures.blocks import Block
from gated_ray.architectures.finding import find_architecture
from gated_ray.measurement import Measured, float32_bytes, load_block, measure_block, one_thread, without_partition
from gated_ray.neurons.summaries import summarise_neurons
from gated_ray.settings import ProfileSettings
from gated_ray.sources.buffers import buffers_for
from gated_ray.sources.checkpoint import Checkpoint, open_checkpoint, open_origin
from gated_ray.store.expert_layers import expert_layer
from gated_ray.store.keys import Partition
from gated_ray.store.schemas import EXPERT_LAYERS, LAYERS, NEURONS
from gated_ray.vocabulary import counted

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
        model_type: of the text backbone, None where config.json states none.
        resolved_by: ``rules``, ``names`` (a model type that is not listed) or ``extra`` (the rules of `architectures`).
        caveat: what such models do besides, which no fixed vector shows; None for nothing.
        left_out: stacks with MLP-like tensors that are no part of the text backbone.
        quantization: formats of the quantized weights, sorted; none for plain floats.
        neurons: one row a neuron, by layer, component, expert and neuron, schema `gated_ray.store.schemas.NEURONS`.
        layers: one row a block, schema `gated_ray.store.schemas.LAYERS`.
        expert_layers: one row a layer of experts, schema `gated_ray.store.schemas.EXPERT_LAYERS`; none without experts.
    """

    name: str
    revision: str
    profile: str
    config: Mapping[str, Any]
    model_type: str | None
    resolved_by: str
    caveat: str | None
    left_out: tuple[str, ...]
    quantization: tuple[str, ...]
    neurons: pa.Table
    layers: pa.Table
    expert_layers: pa.Table

    def __repr__(self) -> str:
        experts = self.layers.num_rows - self.layers["expert"].null_count
        counts = [counted(self.layers.num_rows, "block") + (f" ({experts:,} of them experts)" if experts else "")]
        counts.append(counted(self.neurons.num_rows, "neuron"))
        return f"ModelGeometry({self.name!r}, {self.revision!r}, {self.profile!r}, {', '.join(counts)})"


def default_device() -> torch.device:
    """The GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def analyze(
    ref: str,
    profile: str = "paper",
    *,
    regions: str = "sampled",
    architectures: str | Path | None = None,
    device: torch.device | str | None = None,
) -> ModelGeometry:
    """Measure every MLP neuron of one model, layer by layer, without Ray and without a store.

    Blocks are measured side by side, each in a thread of its own. Memory holds the weights of the few under way and the
    results, never the model. Warns, in one line, where a reader of the numbers must know how the model was read.

    Args:
        ref: ``org/name[@revision]``, a folder, ``folder@subfolder``, or ``s3://bucket/prefix``.
        profile: how weights are prepared: ``paper`` or ``residual`` (METHOD section 2).
        regions: mismatched randomness regions: ``sampled``, ``exact`` or ``none``.
        architectures: a file of rules for model types that gated-ray does not know, or knows otherwise (docs/architectures.md).
        device: where to compute; by default a GPU where there is one.

    Raises:
        GatedRayError: the model cannot be had or read; the message is one line that says why.
    """
    settings = ProfileSettings(name=profile, weights=profile, regions=regions)
    checkpoint = open_checkpoint(ref)
    found = find_architecture(checkpoint, None if architectures is None else str(architectures))
    if note := reading_note(found.model_type, found.resolved_by, found.caveat):
        warnings.warn(f"{checkpoint.name}: {note}", stacklevel=2)
    blocks = _in_order(found.blocks)
    where = torch.device(device) if device is not None else default_device()
    origin = open_origin(checkpoint.location)
    allocate = buffers_for(where)

    def measure(block: Block) -> Measured:
        return measure_block(load_block(origin, block, allocate), settings, where)

    neurons, layers = [], []
    total = sum(block.bytes for block in blocks)
    bar = tqdm(
        total=total,
        unit="B",
        unit_scale=True,
        desc=checkpoint.name,
        delay=_PROGRESS_AFTER_SECONDS,
        disable=None,  # only in a terminal or a notebook: in a file, every refresh would be a line
    )
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
        model_type=found.model_type,
        resolved_by=found.resolved_by,
        caveat=found.caveat,
        left_out=found.left_out,
        quantization=tuple(sorted({block.format for block in blocks if block.format})),
        neurons=_with_partition(neurons, checkpoint, profile, NEURONS),
        layers=_with_partition(layers, checkpoint, profile, LAYERS),
        expert_layers=_with_partition(_expert_layers(blocks, neurons, layers), checkpoint, profile, EXPERT_LAYERS),
    )


def reading_note(model_type: str | None, resolved_by: str, caveat: str | None) -> str | None:
    """What a reader of the numbers must know of how a model was read, in one line; None for nothing.

    Args:
        model_type, resolved_by, caveat: as `gated_ray.architectures.finding.Architecture` has them.
    """
    by_names = f"read by the names of its tensors (model_type {model_type or 'not stated'})"
    return "; ".join([by_names] * (resolved_by == "names") + ([caveat] if caveat else [])) or None


def _in_order(blocks: Sequence[Block]) -> list[Block]:
    """As the dataset has them."""
    return sorted(blocks, key=lambda block: (block.layer, block.component, block.expert or 0))


def _expert_layers(blocks: Sequence[Block], neurons: list[pa.Table], layers: list[pa.Table]) -> list[pa.Table]:
    """The rows of the experts of each layer, from the rows of the blocks, which are in order."""
    rows = []
    for _, of_layer in groupby(range(len(blocks)), key=lambda index: (blocks[index].layer, blocks[index].component)):
        mine = [index for index in of_layer if blocks[index].expert is not None]
        if mine:
            together = [pa.concat_tables([tables[index] for index in mine]) for tables in (neurons, layers)]
            rows.append(expert_layer(together[0], together[1], summarise_neurons))
    return [pa.Table.from_pylist(rows, schema=without_partition(EXPERT_LAYERS))]


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
    largest = max(block.bytes if block.format is None else float32_bytes(block) for block in blocks)
    return max(2, min(torch.get_num_threads(), _BYTES_AT_ONCE // largest))


def _with_partition(tables: list[pa.Table], checkpoint: Checkpoint, profile: str, schema: pa.Schema) -> pa.Table:
    table = pa.concat_tables(tables)
    partition = Partition(checkpoint.name, checkpoint.location.revision or "local", profile)
    for name, value in partition.columns.items():
        table = table.append_column(schema.field(name), pa.repeat(value, table.num_rows))
    return table.cast(schema)
