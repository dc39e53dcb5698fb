"""Which part of which tensor is gate, in and out, told by names and held against shapes."""

from dataclasses import dataclass

from gated_ray.architectures.blocks import Matrix
from gated_ray.architectures.rules import Form
from gated_ray.architectures.stacks import Layer, Module
from gated_ray.architectures.stored import FLOATS, StoredTensor
from gated_ray.errors import CheckpointError, UnsupportedError
from gated_ray.sources.headers import TensorRecord

_EXPERT_LIMIT = 10_000
"""Of a layer: each makes a block, which a header's number alone must not."""


@dataclass(frozen=True)
class Matrices:
    """Gate, in and out of one block, and the number of its expert."""

    expert: int | None
    gate: Matrix | None
    w_in: Matrix
    w_out: Matrix


def matrices_of(module: Module, layer: Layer, expert_neurons: int | None, ref: str) -> list[Matrices]:
    """The matrices of every block of a module: one, or one an expert.

    Args:
        module: which tensors.
        layer: where they are.
        expert_neurons: neurons of an expert by config.json, for experts that are stacked along rows.
        ref: for messages.

    Raises:
        CheckpointError: shapes that do not fit each other.
        UnsupportedError: a dtype or a shape that is not read.
    """
    form = module.form
    read = layer[module.path + form.w_in]
    write = layer[module.path + form.w_out]
    gate = layer[module.path + form.gate] if form.gate else None
    for each in (read, write, gate or read):
        _check_tensor(each, ref)
    if gate is not None and gate.shape != read.shape:
        raise CheckpointError(f"{ref}: {gate.name} has shape {gate.shape}, but {read.name} has {read.shape}")
    if form.layout == "stacked":
        return _stacked(gate, read, write, expert_neurons, ref)
    if len(read.shape) != len(write.shape):
        raise _disagreement(read, write, ref)
    if len(read.shape) == 2:
        return [_pair(form, gate, read, write, module.expert, None, ref)]
    if module.expert is not None:
        raise UnsupportedError(f"{ref}: {read.name} is one expert's, yet has shape {read.shape}")
    if read.shape[0] != write.shape[0]:
        raise _disagreement(read, write, ref)
    _check_count(read, read.shape[0], ref)
    return [_pair(form, gate, read, write, expert, (expert, 1), ref) for expert in range(read.shape[0])]


def _check_tensor(tensor: StoredTensor, ref: str) -> None:
    if tensor.codec is None:
        for record in tensor.parts.values():
            check_float(record, ref)
    if len(tensor.shape) not in (2, 3) or 0 in tensor.shape:
        raise CheckpointError(f"{ref}: {tensor.name} has shape {tensor.shape}, not that of a matrix")


def check_float(record: TensorRecord, ref: str) -> None:
    """Raise UnsupportedError for a dtype that is no plain float: a bare cast of quantized weights is plausible garbage."""
    if record.dtype not in FLOATS:
        raise UnsupportedError(
            f"{ref}: tensor {record.name} is stored as {record.dtype} and nothing says how to decode it; "
            f"plain weights are {', '.join(FLOATS)}"
        )


def _check_count(tensor: StoredTensor, experts: int, ref: str) -> None:
    if experts > _EXPERT_LIMIT:
        raise CheckpointError(f"{ref}: {tensor.name} has {experts} experts, over the limit of {_EXPERT_LIMIT} a layer")


def _pair(
    form: Form,
    gate: StoredTensor | None,
    read: StoredTensor,
    write: StoredTensor,
    expert: int | None,
    rows: tuple[int, int] | None,
    ref: str,
) -> Matrices:
    """Matrices of (outputs, inputs), or the other way round, with gate and up in one or two of them."""
    parts = 2 if form.fused else 1
    (a, b), (c, d) = read.shape[-2:], write.shape[-2:]
    linear = a == parts * d and b == c
    conv1d = b == parts * c and a == d
    rows_read = linear if form.layout == "experts" else form.layout != "conv1d"
    if not (linear if rows_read else conv1d):
        raise _disagreement(read, write, ref)
    neurons = d if rows_read else c
    starts = {"": (0, 0, 1), "gate_up": (0, neurons, 1), "up_gate": (neurons, 0, 1), "interleaved": (0, 1, 2)}
    gate_first, in_first, step = starts[form.fused]
    return Matrices(
        expert,
        None if gate is None else Matrix(gate, rows_read, neurons, rows, gate_first, step),
        Matrix(read, rows_read, neurons, rows, in_first, step),
        Matrix(write, not rows_read, neurons, rows),
    )


def _stacked(
    gate: StoredTensor | None, read: StoredTensor, write: StoredTensor, neurons: int | None, ref: str
) -> list[Matrices]:
    """Experts one after the other along rows, each row a neuron, of w_out too."""
    if read.shape != write.shape:
        raise _disagreement(read, write, ref)
    if read.codec or write.codec:  # whose parts cannot be cut by rows of the decoded tensor
        raise UnsupportedError(
            f"{ref}: {read.name} is quantized ({read.format}) with experts stacked along rows; not read"
        )
    if neurons is None or neurons < 1 or read.shape[0] % neurons:
        raise CheckpointError(
            f"{ref}: {read.name} has {read.shape[0]} rows, which experts of {neurons} neurons (config.json) do not fill"
        )

    _check_count(read, read.shape[0] // neurons, ref)

    def part(tensor: StoredTensor, expert: int) -> Matrix:
        return Matrix(tensor, True, neurons, (expert * neurons, neurons))

    return [
        Matrices(expert, None if gate is None else part(gate, expert), part(read, expert), part(write, expert))
        for expert in range(read.shape[0] // neurons)
    ]


def _disagreement(read: StoredTensor, write: StoredTensor, ref: str) -> CheckpointError:
    return CheckpointError(
        f"{ref}: {write.name} has shape {write.shape}, which disagrees with {read.name} of shape {read.shape}"
    )
