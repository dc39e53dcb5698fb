"""What blocks have in common: the names of their tensors without numbers, and everything that shapes their neurons."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from gated_ray.architectures.blocks import Block, Factor, Matrix

_LAYER = re.compile(r"(.*?)\.\d+\.")
_EXPERT = re.compile(r"(experts?)\.\d+\.")


@dataclass(frozen=True)
class Scale:
    """A norm's gain or another factor: its tensor, and whether it acts as ``w``, ``1+w`` or ``tanh`` of it."""

    tensor: str
    kind: str


@dataclass(frozen=True)
class Shift:
    """A bias: its tensor, and what it is added to: ``norm`` (before the block), ``gate``, ``in`` or ``out``."""

    tensor: str
    role: str


@dataclass(frozen=True)
class Description:
    """One kind of block. In names of tensors N stands for the layer and E for the expert.

    Attributes:
        component: which MLP of a layer.
        gate, w_in, w_out: tensors; gate and w_in are the same where they are fused, gate is None for a plain block.
        layout: ``linear`` (outputs, inputs), ``conv1d`` (inputs, outputs), or ``rows``: every neuron a row, of w_out too.
        experts_together: one tensor holds all experts of a layer.
        fused: which comes first where gate and in are fused, and whether they take turns; None where they are not fused.
        norm: of the input: ``rms``, ``layer`` (which centres) or ``none``.
        pre_norm: its gain.
        gate_multiplier: constant factor of what the gate reads.
        inner_norm: gain of a norm over the neurons.
        write: gains and scales of the output, in order.
        multiplier: constant factor of the output.
        activation: as config.json names it, None where it does not.
        product: how gate and in make the neuron's activation.
        biases: in order; a fused one stands for gate and for in.
        format: of quantized weights, None for plain floats.
        dtypes: stored dtypes of the matrices, scales of quantized ones included.
        neurons, d_model: of one block.
    """

    component: str
    gate: str | None
    w_in: str
    w_out: str
    layout: str
    experts_together: bool
    fused: str | None
    norm: str
    pre_norm: Scale | None
    gate_multiplier: float
    inner_norm: Scale | None
    write: tuple[Scale, ...]
    multiplier: float
    activation: str | None
    product: str
    biases: tuple[Shift, ...]
    format: str | None
    dtypes: tuple[str, ...]
    neurons: int
    d_model: int


@dataclass(frozen=True)
class Row:
    """Blocks of one description, of as many experts in each of these layers.

    Attributes:
        layers: numbers, in order.
        experts: in each layer; None for a component without experts.
        bytes: stored weights of all of them; what the blocks of a layer share counts once.
    """

    description: Description
    layers: tuple[int, ...]
    experts: int | None
    bytes: int

    @property
    def blocks(self) -> int:
        return len(self.layers) * (self.experts or 1)


def rows_of(blocks: Iterable[Block]) -> list[Row]:
    """The blocks gathered by description, in the order in which each kind first appears."""
    by_layer: defaultdict[tuple[Description, int], list[Block]] = defaultdict(list)
    for block in blocks:
        by_layer[describe(block), block.layer].append(block)
    rows: dict[tuple[Description, int | None], Row] = {}
    for (description, layer), alike in by_layer.items():
        experts = None if alike[0].expert is None else len(alike)
        size = sum(part.bytes for part in {part for block in alike for part in block.slices})
        row = rows.get((description, experts), Row(description, (), experts, 0))
        rows[description, experts] = replace(row, layers=(*row.layers, layer), bytes=row.bytes + size)
    return list(rows.values())


def describe(block: Block) -> Description:
    """Everything about a block but which layer's and which expert's it is."""
    return Description(
        component=block.component,
        gate=_template(block.gate.name) if block.gate else None,
        w_in=_template(block.w_in.name),
        w_out=_template(block.w_out.name),
        layout=_layout(block.w_in, block.w_out),
        experts_together=block.w_in.rows is not None,
        fused=_fused(block),
        norm=block.norm,
        pre_norm=_scale(block.pre_norm),
        gate_multiplier=block.gate_multiplier,
        inner_norm=_scale(block.inner_norm),
        write=tuple(Scale(_template(factor.record.name), factor.kind) for factor in block.write),
        multiplier=block.multiplier,
        activation=block.activation,
        product=block.product,
        biases=tuple(Shift(_template(bias.record.name), bias.role) for bias in block.biases),
        format=block.format,
        dtypes=tuple(sorted({part.dtype for matrix in block.matrices for part in matrix.stored.parts.values()})),
        neurons=block.neurons,
        d_model=block.d_model,
    )


def _template(name: str) -> str:
    """The name with N for the first number, which is the layer's, and E for an expert's."""
    return _EXPERT.sub(r"\1.E.", _LAYER.sub(r"\1.N.", name, count=1))


def _scale(factor: Factor | None) -> Scale | None:
    return None if factor is None else Scale(_template(factor.record.name), factor.kind)


def _layout(w_in: Matrix, w_out: Matrix) -> str:
    if w_in.neurons_are_rows and w_out.neurons_are_rows:
        return "rows"
    return "linear" if w_in.neurons_are_rows else "conv1d"


def _fused(block: Block) -> str | None:
    if block.gate is None or block.gate.name != block.w_in.name:
        return None
    first = "gate first" if block.gate.first < block.w_in.first else "up first"
    return f"interleaved, {first}" if block.gate.step > 1 else first
