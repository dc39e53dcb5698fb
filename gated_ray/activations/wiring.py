"""Which modules of a live model compute each block's gate and in values: found by their weights, all of them compared."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from gated_ray.activations.loading import LiveModel
from gated_ray.architectures.blocks import Block
from gated_ray.errors import UnsupportedError
from gated_ray.measurement import LoadedBlock, block_weights
from gated_ray.neurons.geometry import BlockWeights

_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Outputs:
    """Where one of a block's two pre-activations is in the output of a module: ``output[..., rows]``."""

    module: nn.Module
    rows: slice


@dataclass(frozen=True)
class DenseWire:
    """A block that every token goes through.

    Attributes:
        gate, w_in: its pre-activations.
        w_out: the module that is given the neurons' activations.
    """

    block: Block
    gate: Outputs
    w_in: Outputs
    w_out: nn.Module


@dataclass(frozen=True)
class ExpertsWire:
    """Experts whose weights lie together in one module.

    Attributes:
        module: of transformers, with ``gate_up_proj`` and ``down_proj``.
        blocks: by the expert's number.
        gate, w_in: rows of the output of ``gate_up_proj``.
    """

    module: nn.Module
    blocks: dict[int, Block]
    gate: slice
    w_in: slice


Wire = DenseWire | ExpertsWire


def wires_of(live: LiveModel, ref: str) -> list[Wire]:
    """A wire for every block, or for all experts of a module together.

    Raises:
        UnsupportedError: no module of the block's layer has exactly these weights.
    """
    modules = _by_layer(live.model)
    dense: list[Wire] = []
    experts: dict[nn.Module, ExpertsWire] = {}
    for loaded in live.blocks:
        block, weights = loaded.block, block_weights(loaded, _CPU)
        wire = _dense(loaded, weights, modules[block.layer]) if block.expert is None else None
        if wire is not None:
            dense.append(wire)
            continue
        found = _expert(block, weights, modules[block.layer]) if block.expert is not None else None
        if found is None or block.expert is None:
            raise UnsupportedError(
                f"{ref}: layer {block.layer} ({block.component}): no module of {type(live.model).__name__} computes with these "
                "weights in a way that statistics can be taken from"
            )
        joined = experts.setdefault(found.module, found)
        if (joined.gate, joined.w_in) != (found.gate, found.w_in):
            raise UnsupportedError(f"{ref}: layer {block.layer} ({block.component}): its experts are not stored alike")
        joined.blocks[block.expert] = block
    return [*dense, *experts.values()]


def _by_layer(model: nn.Module) -> defaultdict[int, list[nn.Module]]:
    """Modules that may hold MLP weights, by the first number in their path."""
    found: defaultdict[int, list[nn.Module]] = defaultdict(list)
    for path, module in model.named_modules():
        if (number := re.search(r"\d+", path)) and (isinstance(module, nn.Linear | Conv1D) or _is_experts(module)):
            found[int(number[0])].append(module)
    return found


def _is_experts(module: Any) -> bool:
    """Whether it looks like transformers' modules of experts; that it computes as they do is tried before it is relied on."""
    weights = [getattr(module, name, None) for name in ("gate_up_proj", "down_proj")]
    return all(isinstance(each, torch.Tensor) and each.dim() == 3 for each in weights) and hasattr(
        module, "_apply_gate"
    )


def _dense(loaded: LoadedBlock, weights: BlockWeights, modules: Sequence[nn.Module]) -> DenseWire | None:
    if weights.w_gate is None:
        return None
    linear = [module for module in modules if not _is_experts(module)]
    gate, w_in = _rows_in(linear, weights.w_gate), _rows_in(linear, weights.w_in)
    out = next((each for each in linear if _is(_linear_rows(each), weights.w_out.T)), None)
    return None if gate is None or w_in is None or out is None else DenseWire(loaded.block, gate, w_in, out)


def _rows_in(modules: Sequence[nn.Module], wanted: torch.Tensor) -> Outputs | None:
    """The module and the rows of its weight that are these, (neurons, d_model)."""
    for module in modules:
        if (rows := _find(_linear_rows(module), wanted)) is not None:
            return Outputs(module, rows)
    return None


def _expert(block: Block, weights: BlockWeights, modules: Sequence[Any]) -> ExpertsWire | None:
    if weights.w_gate is None or block.expert is None:
        return None
    for module in modules:
        if not _is_experts(module) or block.expert >= len(module.gate_up_proj):
            continue
        read, write = module.gate_up_proj[block.expert], module.down_proj[block.expert]
        if getattr(module, "is_transposed", False):
            read, write = read.T, write.T
        gate, w_in = _find(read, weights.w_gate), _find(read, weights.w_in)
        if gate is not None and w_in is not None and _is(write, weights.w_out.T):
            return ExpertsWire(module, {}, gate, w_in)
    return None


def _linear_rows(module: nn.Module) -> torch.Tensor:
    """Its weight, (outputs, inputs)."""
    weight: torch.Tensor = module.weight  # type: ignore[assignment]
    return weight.T if isinstance(module, Conv1D) else weight


def _find(rows: torch.Tensor, wanted: torch.Tensor) -> slice | None:
    """Where `wanted`, (neurons, d_model), stands in `rows`: alone, in a half, or in every other row."""
    neurons = len(wanted)
    return next((each for each in _places(len(rows), neurons) if _is(rows[each], wanted)), None)


def _places(rows: int, neurons: int) -> Iterator[slice]:
    if rows == neurons:
        yield slice(0, neurons)
    elif rows == 2 * neurons:
        yield from (slice(0, neurons), slice(neurons, None), slice(0, None, 2), slice(1, None, 2))


def _is(rows: torch.Tensor, wanted: torch.Tensor) -> bool:
    """Whether these are the stored weights, as the model's dtype has them; NaN is like NaN."""
    if rows.shape != wanted.shape or rows.device.type == "meta":
        return False

    def same(one: torch.Tensor, other: torch.Tensor) -> bool:
        other = other.to(one.device, one.dtype)
        return bool(((one == other) | (one != one) & (other != other)).all())

    return same(rows[:1], wanted[:1]) and same(rows, wanted)
