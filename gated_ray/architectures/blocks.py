"""One MLP block of one layer: where its weights are, which way round, and what its norms do."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from gated_ray.architectures.rules import Norm
from gated_ray.architectures.stored import StoredTensor
from gated_ray.sources.headers import TensorRecord
from gated_ray.sources.slices import TensorSlice

BlockPlace = tuple[int, str, int | None]
"""Layer, component and expert of a block."""


@dataclass(frozen=True)
class Matrix:
    """One of a block's three matrices: a tensor of the model, or the part of one that is this block's.

    Attributes:
        stored: the tensor, of two dimensions, or of three with experts first.
        neurons_are_rows: whether the neurons lie along the first of the last two dimensions.
        neurons: how many are this matrix's.
        rows: first and count along the stored tensor's first dimension: the expert of a tensor of three dimensions, the
            expert's rows where experts are stacked; None for all.
        first, step: the neurons are `first`, `first + step`, ... along their dimension: gate and up may be fused.
    """

    stored: StoredTensor
    neurons_are_rows: bool
    neurons: int
    rows: tuple[int, int] | None = None
    first: int = 0
    step: int = 1

    @property
    def name(self) -> str:
        return self.stored.name

    @property
    def shape(self) -> tuple[int, int]:
        """Of the matrix that is read: of one expert, of gate and up together where they are fused."""
        if len(self.stored.shape) == 3:
            return self.stored.shape[1], self.stored.shape[2]
        rows = self.rows[1] if self.rows else self.stored.shape[0]
        return rows, self.stored.shape[1]

    @property
    def d_model(self) -> int:
        return self.shape[1 if self.neurons_are_rows else 0]

    @cached_property
    def slices(self) -> Mapping[str, TensorSlice]:
        """What is read, by the role of the stored tensor."""
        first, count = self.rows or (None, None)
        return {role: TensorSlice(record, first, count) for role, record in self.stored.parts.items()}


@dataclass(frozen=True)
class Factor:
    """A tensor that multiplies what a block reads or writes: as it is, as one plus it, or by its tanh."""

    record: TensorRecord
    kind: Literal["w", "1+w", "tanh"] = "w"


@dataclass(frozen=True)
class Bias:
    """A bias on the way through a block. It shifts activations, not vectors, and is not read.

    Attributes:
        role: what it is added to; ``norm`` for the norm before the block.
        record: the stored tensor, of one dimension, or of two with experts first.
        expert: row of a tensor of two dimensions.
        first, step, count: its entries are `first`, `first + step` ..., `count` in all.
    """

    role: Literal["gate", "in", "out", "norm"]
    record: TensorRecord
    expert: int | None
    first: int
    step: int
    count: int


@dataclass(frozen=True)
class Block:
    """One MLP block.

    Attributes:
        layer: within its stack.
        component: which MLP of the layer.
        expert: within the layer, None where there are none.
        gate: None for a plain block.
        w_in, w_out: the other two matrices.
        norm: of the block's input; ``none`` where it reads the raw residual stream.
        pre_norm: its gain; None for a norm without weights, and without a norm.
        write: gains and scales between the block's output and the residual stream, in order.
        inner_norm: gain of a norm over the neurons, (neurons,).
        multiplier: constant factor of the block's output.
        gate_multiplier: constant factor of what the gate reads.
        activation: as config.json names it, None where it does not.
        product: how gate and in make the neuron's activation.
        biases: of gate, in, out and of the norm before.
    """

    layer: int
    component: str
    expert: int | None
    gate: Matrix | None
    w_in: Matrix
    w_out: Matrix
    norm: Norm
    pre_norm: Factor | None
    write: tuple[Factor, ...]
    inner_norm: Factor | None
    multiplier: float
    gate_multiplier: float
    activation: str | None
    product: str
    biases: tuple[Bias, ...]

    @property
    def place(self) -> BlockPlace:
        """Which block of the model it is."""
        return self.layer, self.component, self.expert

    @property
    def gated(self) -> bool:
        return self.gate is not None

    @property
    def d_model(self) -> int:
        return self.w_in.d_model

    @property
    def neurons(self) -> int:
        return self.w_in.neurons

    @property
    def matrices(self) -> tuple[Matrix, ...]:
        return (self.w_in, self.w_out) if self.gate is None else (self.gate, self.w_in, self.w_out)

    @property
    def factors(self) -> tuple[Factor, ...]:
        return tuple(each for each in (self.pre_norm, *self.write, self.inner_norm) if each is not None)

    @cached_property
    def slices(self) -> tuple[TensorSlice, ...]:
        """All that is read: gate, in, out, then norms and scales; each once."""
        matrices = (part for matrix in self.matrices for part in matrix.slices.values())
        return tuple(dict.fromkeys([*matrices, *(TensorSlice(factor.record) for factor in self.factors)]))

    @cached_property
    def bytes(self) -> int:
        return sum(each.bytes for each in self.slices)

    @property
    def format(self) -> str | None:
        """Of the quantized weights, None for plain floats."""
        formats = sorted({matrix.stored.format for matrix in self.matrices if matrix.stored.format})
        return "+".join(formats) or None
