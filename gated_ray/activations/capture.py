"""Gate and in values of a live model's blocks, handed over while it runs; nothing of them is kept."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import nn

from gated_ray.activations.segments import NO_TOKEN
from gated_ray.activations.wiring import DenseWire, ExpertsWire, Wire
from gated_ray.architectures.blocks import Block
from gated_ray.errors import UnsupportedError


@dataclass(frozen=True)
class Captured:
    """What one block computed for some documents of a batch.

    Attributes:
        block: which.
        g, u: pre-activations of gate and in, (documents, tokens, neurons), in the model's dtype; ``Block.gate_multiplier`` is
            in g.
        position: of each token in its document, `NO_TOKEN` for padding, (documents, tokens) int64.
        documents: places in the batch, (documents,) int64.
        tokens: real ones.
        post: what the model made of g and u, of their shape; None where that is not asked for.
    """

    block: Block
    g: torch.Tensor
    u: torch.Tensor
    position: torch.Tensor
    documents: torch.Tensor
    tokens: int
    post: torch.Tensor | None


Sink = Callable[[Captured], None]

_WRITTEN_ULPS = 64
"""How far what experts write may be from what their module writes, in the spacing of its dtype at the largest value."""


@dataclass
class _Batch:
    """The batch that is running.

    Attributes:
        position: (documents, tokens) int64.
        lengths: real tokens by document, on the CPU.
        pending: outputs that wait for the other one of their block.
        seen: wires that have run.
    """

    position: torch.Tensor
    lengths: Sequence[int]
    sink: Sink
    with_post: bool
    pending: dict[int, dict[str, torch.Tensor]] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)


class Capture:
    """Hooks on the modules that wires name.

    Args:
        wires: of the model.
        ref: the model, for messages.
    """

    def __init__(self, wires: Sequence[Wire], ref: str) -> None:
        self._wires = wires
        self._ref = ref
        self._runs: set[int] | None = None
        """Numbers of the wires that ran with the first batch."""

    @property
    def idle(self) -> list[str]:
        """Blocks that do not run when the model reads text, after a first batch."""
        return [_place(wire) for number, wire in enumerate(self._wires) if number not in (self._runs or ())]

    @contextmanager
    def running(self, position: torch.Tensor, lengths: Sequence[int], sink: Sink, *, with_post: bool) -> Iterator[None]:
        """While this lasts, the model must be called once, with a batch of these documents.

        Args:
            position: of each token in its document, `NO_TOKEN` for padding, (documents, tokens) int64.
            lengths: real tokens by document.
            sink: is given what each block computed.
            with_post: whether what the model makes of g and u is wanted too.

        Raises:
            UnsupportedError: a block ran more than once, or on something else than the tokens of the batch, or not at all
                though it did with the first batch (or none did).
        """
        batch = _Batch(position, lengths, sink, with_post)
        undo: list[Callable[[], None]] = []
        try:
            for number, wire in enumerate(self._wires):
                if isinstance(wire, DenseWire):
                    undo += self._hook_dense(number, wire, batch)
                else:
                    undo.append(self._replace_experts(number, wire, batch))
            yield
        finally:
            for each in undo:
                each()
        self._runs = batch.seen if self._runs is None else self._runs
        if not batch.seen or batch.seen != self._runs:
            odd = min(self._runs ^ batch.seen, default=0)
            self._refuse(self._wires[odd], "does not always run when the model reads text")

    def _hook_dense(self, number: int, wire: DenseWire, batch: _Batch) -> list[Callable[[], None]]:
        def keep(role: str, rows: slice, _module: nn.Module, _args: Any, output: torch.Tensor) -> None:
            waiting = batch.pending.setdefault(number, {})
            if role in waiting:
                self._refuse(wire, "runs several times a token")
            waiting[role] = output[..., rows]
            if not batch.with_post and len(waiting) == 2:
                self._hand_over(number, wire, batch)

        def see(_module: nn.Module, args: tuple[torch.Tensor, ...]) -> None:
            if batch.with_post:
                batch.pending.setdefault(number, {})["post"] = args[0]
                if {"gate", "in"} <= batch.pending[number].keys():
                    self._hand_over(number, wire, batch)

        handles = [
            wire.gate.module.register_forward_hook(partial(keep, "gate", wire.gate.rows)),
            wire.w_in.module.register_forward_hook(partial(keep, "in", wire.w_in.rows)),
            wire.w_out.register_forward_pre_hook(see),
        ]
        return [handle.remove for handle in handles]

    def _hand_over(self, number: int, wire: DenseWire, batch: _Batch) -> None:
        if number in batch.seen:
            self._refuse(wire, "runs several times a token")
        batch.seen.add(number)
        found = batch.pending.pop(number)
        shape = batch.position.shape
        if any(each.shape[:-1].numel() != shape.numel() for each in found.values()):
            self._refuse(wire, "does not see every token of the text once")
        g, u, post = (found[role].reshape(*shape, -1) if role in found else None for role in ("gate", "in", "post"))
        if g is None or u is None:
            raise AssertionError("both are there, else nothing is handed over")
        position = batch.position.to(g.device)
        documents = torch.arange(shape[0], device=g.device)
        g = _scaled(g, wire.block)
        batch.sink(Captured(wire.block, g, u, position, documents, sum(batch.lengths), post))

    def _replace_experts(self, number: int, wire: ExpertsWire, batch: _Batch) -> Callable[[], None]:
        """Run experts one by one, as transformers' own eager way does, and look at each."""
        module: Any = wire.module

        def forward(hidden: torch.Tensor, chosen: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
            if number in batch.seen:
                self._refuse(wire, "runs several times a token")
            batch.seen.add(number)
            if len(hidden) != batch.position.numel():
                self._refuse(wire, "does not see every token of the text once")
            written = torch.zeros_like(hidden)
            for expert in chosen.unique().tolist():
                if expert >= len(module.gate_up_proj):  # a token that no expert takes
                    continue
                rows, which = torch.where(chosen == expert)
                gate_up = _linear(module, hidden[rows], "gate_up_proj", expert)
                post = module._apply_gate(gate_up)
                if expert in wire.blocks:
                    self._hand_over_expert(wire, batch, expert, gate_up, post, rows)
                output = _linear(module, post, "down_proj", expert)
                if getattr(module, "has_post_expert_norm", False):
                    output = module.post_expert_norm(output)
                written.index_add_(0, rows, (output * weights[rows, which, None]).to(written.dtype))
            if batch.with_post:
                self._check_written(wire, written, type(module).forward(module, hidden, chosen, weights))
            return written

        before = vars(module).get("forward")  # of a model that is spread over GPUs, accelerate's
        module.forward = forward

        def undo() -> None:
            if before is None:
                del module.forward  # the class's own shows again
            else:
                module.forward = before

        return undo

    def _check_written(self, wire: ExpertsWire, ours: torch.Tensor, theirs: torch.Tensor) -> None:
        """Experts run one by one must give what the module gives by itself."""
        most = _WRITTEN_ULPS * torch.finfo(ours.dtype).eps * theirs.abs().max()
        if ours.shape != theirs.shape or not bool(((ours - theirs).abs() <= most).all()):
            self._refuse(wire, f"is not run as {type(wire.module).__name__} looks to run its experts")

    def _hand_over_expert(
        self,
        wire: ExpertsWire,
        batch: _Batch,
        expert: int,
        gate_up: torch.Tensor,
        post: torch.Tensor,
        rows: torch.Tensor,
    ) -> None:
        flat = batch.position.to(rows.device).reshape(-1)
        real = flat[rows] != NO_TOKEN
        rows, gate_up, post = rows[real], gate_up[real], post[real]
        if not len(rows):
            return
        of_row, place, lengths = _by_document(rows, batch.position.shape[1])
        shape = (len(lengths), int(lengths.max()))

        def padded(values: torch.Tensor) -> torch.Tensor:
            filled = values.new_zeros(*shape, values.shape[-1])
            filled[of_row, place] = values
            return filled

        position = flat.new_full(shape, NO_TOKEN)
        position[of_row, place] = flat[rows]
        documents = (rows // batch.position.shape[1]).unique()
        block, seen = wire.blocks[expert], padded(post) if batch.with_post else None
        g, u = _scaled(padded(gate_up[:, wire.gate]), block), padded(gate_up[:, wire.w_in])
        batch.sink(Captured(block, g, u, position, documents, len(rows), seen))

    def _refuse(self, wire: Wire, why: str) -> None:
        raise UnsupportedError(f"{self._ref}: {_place(wire)} {why}; activation statistics are not defined for it")


def _place(wire: Wire) -> str:
    block = wire.block if isinstance(wire, DenseWire) else next(iter(wire.blocks.values()))
    return f"layer {block.layer} ({block.component})"


def _scaled(g: torch.Tensor, block: Block) -> torch.Tensor:
    """With the constant that some models multiply what the gate gives by, before the activation function."""
    return g if block.gate_multiplier == 1.0 else g * block.gate_multiplier


def _linear(module: Any, values: torch.Tensor, name: str, expert: int) -> torch.Tensor:
    weight = getattr(module, name)[expert]
    bias = getattr(module, f"{name}_bias")[expert] if getattr(module, "has_bias", False) else None
    return nn.functional.linear(values, weight.T if getattr(module, "is_transposed", False) else weight, bias)


def _by_document(rows: torch.Tensor, tokens: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Rows of a batch of so many tokens a document, ascending, by document.

    Returns:
        For each row the number of its document among those that occur and its place among that document's rows; and how
        many rows each has.
    """
    _, of_row, lengths = (rows // tokens).unique_consecutive(return_inverse=True, return_counts=True)
    starts = lengths.cumsum(0) - lengths
    return of_row, torch.arange(len(rows), device=rows.device) - starts[of_row], lengths
