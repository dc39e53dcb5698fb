"""The blocks that gated-ray finds in a checkpoint, in float64, as the comparison with the live model wants them."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import safe_open

from gated_ray.architectures.blocks import Bias, Block
from gated_ray.architectures.finding import Architecture, find_architecture
from gated_ray.measurement import LoadedBlock, block_weights, load_block, preparation_of
from gated_ray.neurons.preparation import prepare
from gated_ray.sources.checkpoint import open_checkpoint, open_origin
from tests.conformance.compare import Found

CPU = torch.device("cpu")


@dataclass(kw_only=True)
class FoundBlock(Found):
    """With the block that the vectors are of."""

    block: Block


def found_blocks(folder: Path) -> tuple[Architecture, list[FoundBlock]]:
    """What gated-ray understands of a checkpoint in a folder, and every block's vectors."""
    checkpoint = open_checkpoint(str(folder))
    architecture = find_architecture(checkpoint)
    origin = open_origin(checkpoint.location)
    return architecture, [_found(load_block(origin, block), folder) for block in architecture.blocks]


def _found(loaded: LoadedBlock, folder: Path) -> FoundBlock:
    block = loaded.block
    weights = block_weights(loaded, CPU)
    preparation = preparation_of(loaded, "residual", CPU)

    def prepared(stored: torch.Tensor, gain: torch.Tensor | None, centre: bool) -> torch.Tensor:
        vectors = torch.empty(stored.shape, dtype=torch.float64)
        prepare(stored, gain, centre, vectors, torch.empty_like(vectors))
        return vectors

    assert weights.w_gate is not None
    inner = None if block.inner_norm is None else _tensor(folder, block.inner_norm.record.name)
    plain = replace(loaded, block=replace(block, inner_norm=None))  # whose w_out is not multiplied in float32
    w_out = block_weights(plain, CPU).w_out.double()
    biases = {bias.role: _bias(folder, bias) for bias in block.biases}
    return FoundBlock(
        block=block,
        layer=block.layer,
        kind=_kind(block.component),
        expert=block.expert,
        w_gate=weights.w_gate.double(),
        w_in=weights.w_in.double(),
        w_out=w_out,
        folded_gate=prepared(weights.w_gate, preparation.gate_gain, preparation.centre_gate) / block.gate_multiplier,
        folded_in=prepared(weights.w_in, preparation.in_gain, preparation.centre_in),
        residual_out=prepared(
            w_out if inner is None else w_out * inner[:, None], preparation.out_gain, preparation.centre_out
        ),
        neuron_gain=inner,
        b_gate=biases.get("gate"),
        b_in=biases.get("in"),
        b_out=biases.get("out"),
        activation=block.activation or "",
        product=block.product,
        gate_multiplier=block.gate_multiplier,
        multiplier=block.multiplier * _scalars(block, folder),
    )


def _scalars(block: Block, folder: Path) -> float:
    """Product of the stored factors that are single numbers."""
    product = 1.0
    for factor in block.write:
        if factor.record.shape in ((), (1,)):
            stored = float(_tensor(folder, factor.record.name))
            product *= math.tanh(stored) if factor.kind == "tanh" else stored
    return product


def _kind(component: str) -> str:
    if component.endswith("shared_expert"):
        return "shared_expert"
    return "expert" if component.endswith("expert") else "dense"


def _bias(folder: Path, bias: Bias) -> torch.Tensor:
    stored = _tensor(folder, bias.record.name)
    stored = stored if bias.expert is None else stored[bias.expert]
    return stored[bias.first :: bias.step][: bias.count]


def _tensor(folder: Path, name: str) -> torch.Tensor:
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            if name in set(file.keys()):
                return file.get_tensor(name).double()
    raise KeyError(name)
