"""One block: its tensors read, its neurons measured, the results as rows of the dataset's tables."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch
import xxhash

from gated_ray.architectures.blocks import Block, Factor, Matrix
from gated_ray.neurons.classes import NO_CLASS, classify
from gated_ray.neurons.geometry import BlockWeights, Geometry, neuron_geometry
from gated_ray.neurons.preparation import Preparation
from gated_ray.neurons.randomness import MismatchedRegions, mismatched_regions, theory_region, unit_vectors
from gated_ray.neurons.summaries import summarise
from gated_ray.settings import ProfileSettings
from gated_ray.sources.buffers import Allocate, new_buffer
from gated_ray.sources.checkpoint import read_tensors
from gated_ray.sources.origin import Origin
from gated_ray.sources.slices import TensorSlice
from gated_ray.store.schemas import LAYERS, NEURONS, PARTITION_FIELDS
from gated_ray.vocabulary import COSINES, IO_CLASSES

Measured = tuple[pa.Table, pa.Table]
"""A block's rows of the neurons table and its row of the layers table, without the columns of the partition."""


@dataclass(frozen=True)
class LoadedBlock:
    """A block with what is stored of it, on the CPU, and the digest of its bytes by name."""

    block: Block
    tensors: Mapping[TensorSlice, torch.Tensor]
    digests: Mapping[str, str]


def load_block(origin: Origin, block: Block, allocate: Allocate = new_buffer) -> LoadedBlock:
    """Read a block's tensors into memory that `allocate` makes."""
    return load_blocks(origin, [block], allocate)[0]


def load_blocks(origin: Origin, blocks: Sequence[Block], allocate: Allocate = new_buffer) -> list[LoadedBlock]:
    """Read the tensors of several blocks together: in fewer ranges, and what they share once."""
    parts = list(dict.fromkeys(part for block in blocks for part in block.slices))
    tensors = read_tensors(origin, parts, allocate)
    digests = {part: tensor_digest(tensor) for part, tensor in tensors.items()}
    return [
        LoadedBlock(
            block, {part: tensors[part] for part in block.slices}, {part.name: digests[part] for part in block.slices}
        )
        for block in blocks
    ]


def float32_bytes(block: Block) -> int:
    """Bytes of a block's matrices in float32, which quantized weights become."""
    return 4 * len(block.matrices) * block.neurons * block.d_model


def tensor_digest(tensor: torch.Tensor) -> str:
    """xxh3-64 of what is stored of a tensor, as 16 hex digits: of the bytes as they lie in the file, which are not copied."""
    return xxhash.xxh3_64_hexdigest(memoryview(tensor.reshape(-1).view(torch.uint8).numpy()))  # type: ignore[arg-type]


def measure_block(loaded: LoadedBlock, profile: ProfileSettings, device: torch.device) -> Measured:
    """Cosines, classes and summaries of one block.

    Returns:
        Its rows of the neurons table (schema `NEURONS`) and its row of the layers table (schema `LAYERS`), both without
        the columns of the partition.
    """
    block = loaded.block
    weights = block_weights(loaded, device)
    preparation = preparation_of(loaded, profile.weights, device)
    with one_thread():
        geometry = neuron_geometry(weights, preparation)
        codes = classify(geometry.cos_in_out, geometry.cos_gate_out, geometry.cos_gate_in)
    mismatched = _mismatched(weights, preparation, geometry, profile)
    with one_thread():
        summary = summarise(geometry, codes, theory_region(block.d_model), mismatched)
    digests = [(part.name, loaded.digests[part.name]) for part in block.slices]
    row = {
        "layer": block.layer,
        "component": block.component,
        "expert": block.expert,
        "gated": block.gated,
        "d_model": block.d_model,
        "mismatched_regions": profile.regions,
        "mismatched_seed": profile.identity()["seed"],
        "bytes_read": block.bytes,
        "digest": xxhash.xxh3_64_hexdigest("".join(digest for _, digest in digests).encode()),
        "digests": [{"tensor": name, "digest": digest} for name, digest in digests],
        **summary.columns,
    }
    layers = pa.Table.from_pylist([row], schema=without_partition(LAYERS))
    return _neuron_table(block, geometry, codes), layers


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep torch's CPU operations (of the whole process, until left) in the thread that calls them.

    torch's threads meet after every operation and spin while they wait for the last one. For operations of tens of
    microseconds that gains little, and where other processes want the same cores it was measured to cost 25 times the
    work itself.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def block_weights(loaded: LoadedBlock, device: torch.device) -> BlockWeights:
    decoded: dict[tuple[str, tuple[int, int] | None], torch.Tensor] = {}

    def rows(matrix: Matrix) -> torch.Tensor:
        key = (matrix.stored.name, matrix.rows)
        if key not in decoded:  # gate and up may be fused
            parts = {role: loaded.tensors[part].to(device) for role, part in matrix.slices.items()}
            decoded[key] = matrix.stored.codec.decode(parts) if matrix.stored.codec else parts["weight"]
        tensor = decoded[key].squeeze(0) if decoded[key].dim() == 3 else decoded[key]
        neurons = tensor if matrix.neurons_are_rows else tensor.T
        return neurons[matrix.first :: matrix.step][: matrix.neurons]

    block = loaded.block
    w_out = rows(block.w_out)
    if block.inner_norm is not None:
        w_out = w_out.to(torch.float32) * _factor(loaded, block.inner_norm, device).to(torch.float32)[:, None]
    return BlockWeights(None if block.gate is None else rows(block.gate), rows(block.w_in), w_out)


def _factor(loaded: LoadedBlock, factor: Factor, device: torch.device) -> torch.Tensor:
    stored = loaded.tensors[TensorSlice(factor.record)].to(device, torch.float64).reshape(-1)
    match factor.kind:
        case "1+w":
            return stored + 1.0
        case "tanh":
            return stored.tanh()
        case "w":
            return stored


def preparation_of(loaded: LoadedBlock, weights: str, device: torch.device) -> Preparation:
    """How METHOD section 2 prepares this block under ``paper`` or ``residual`` weights."""
    block = loaded.block
    read_gain = None if block.pre_norm is None else _factor(loaded, block.pre_norm, device)
    gate_gain = read_gain
    if block.gate_multiplier != 1.0:
        gate_gain = (read_gain if read_gain is not None else _ones(block, device)) * block.gate_multiplier
    residual = weights == "residual"
    write_gain = None
    if residual and (block.write or block.multiplier != 1.0):
        write_gain = _ones(block, device) * block.multiplier
        for factor in block.write:
            write_gain = write_gain * _factor(loaded, factor, device)
    centred = block.norm == "layer"
    return Preparation(
        gate_gain=gate_gain,
        in_gain=read_gain,
        out_gain=write_gain,
        centre_gate=centred and residual,
        centre_in=centred,
        centre_out=centred,
    )


def _ones(block: Block, device: torch.device) -> torch.Tensor:
    return torch.ones(block.d_model, dtype=torch.float64, device=device)


def _mismatched(
    weights: BlockWeights, preparation: Preparation, geometry: Geometry, profile: ProfileSettings
) -> MismatchedRegions | None:
    if profile.regions == "none":
        return None
    with one_thread():
        vectors = unit_vectors(weights, preparation, geometry)
    return mismatched_regions(vectors, exact=profile.regions == "exact", least_pairs=profile.pairs, seed=profile.seed)


def _neuron_table(block: Block, geometry: Geometry, codes: torch.Tensor) -> pa.Table:
    count = block.neurons

    def column(values: torch.Tensor | None) -> pa.Array:
        if values is None:
            return pa.nulls(count, pa.float32())
        return pa.array(values.numpy(force=True), from_pandas=True)  # NaN becomes null

    indices = codes.numpy(force=True)
    columns = {
        "layer": pa.array(np.full(count, block.layer, np.int16)),
        "component": pa.repeat(block.component, count),
        "expert": pa.nulls(count, pa.int32())
        if block.expert is None
        else pa.array(np.full(count, block.expert, np.int32)),
        "neuron": pa.array(np.arange(count, dtype=np.int32)),
        **{name: column(getattr(geometry, name)) for name in (*COSINES, "norm_gate", "norm_in", "norm_out")},
        "sign": pa.array(geometry.sign.numpy(force=True)),
        "io_class": pa.DictionaryArray.from_arrays(pa.array(indices, mask=indices == NO_CLASS), list(IO_CLASSES)),
    }
    return pa.table(columns, schema=without_partition(NEURONS))


def without_partition(schema: pa.Schema) -> pa.Schema:
    """A table's schema without the columns that its partition fills in."""
    return pa.schema([field for field in schema if field not in PARTITION_FIELDS])
