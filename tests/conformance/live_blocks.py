"""The gated MLP blocks of a live model, found by tracing a forward pass: the oracle of the conformance test.

Nothing here knows the names of modules or tensors, save to tell shared experts and layers from their paths.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import nn

from tests.conformance.expert_calls import ExpertRun, expert_count, expert_run, norm_of_outputs, routes_inside
from tests.conformance.gated_patterns import GatedProduct, PatternFinder
from tests.conformance.norm_probe import Norm, probe
from tests.conformance.replay import Flow, NotReplayableError
from tests.conformance.streams import Path, find_meeting, last_by_token, module_before
from tests.conformance.tracing import Call, Trace, Value, in_float64, trace_forward

NO_LAYER = -1
"""Layer of a block that is in no list of layers."""


@dataclass
class LiveBlock:
    """One gated MLP, or one expert, of a live model in float64.

    Attributes:
        path: of the module that computes it.
        layer: the first number in the path of the module, or of one that called it where blocks are shared by layers.
        kind: ``dense``, ``expert`` or ``shared_expert``.
        expert: index in the live module, None for a block that is no expert.
        d_model: width of what the block reads.
        neurons: number of gated neurons.
        run: h (tokens, d_model) -> output (tokens, d_model), of an expert alone with routing weight 1.
        read: residual stream x (tokens, d_model) -> h.
        inner_norm: whether the block norms its neurons before the last matrix.
        notes: what kept the tracing from its strict rules; empty for nearly every model.
    """

    path: str
    layer: int
    kind: str
    expert: int | None
    d_model: int
    neurons: int
    run: Callable[[torch.Tensor], torch.Tensor]
    read: Callable[[torch.Tensor], torch.Tensor]
    inner_norm: bool
    _share: Callable[[torch.Tensor], torch.Tensor] | None
    _flow: Flow
    _pattern: GatedProduct
    notes: list[str] = field(default_factory=list)

    @cached_property
    def norm(self) -> Norm | None:
        """The pre-norm as probed; None if `read` is not a norm with a gain and a bias by channel."""
        return probe(self.read, self.d_model)

    @property
    def foldable(self) -> bool:
        return self.norm is not None

    def unit(self, x: torch.Tensor) -> torch.Tensor:
        """x, normalised as the pre-norm does, without its gain and bias."""
        return self._known_norm.unit(x)

    @property
    def read_gain(self) -> torch.Tensor:
        return self._known_norm.gain

    @property
    def centred(self) -> bool:
        return self._known_norm.kind == "layer"

    @property
    def norm_bias(self) -> torch.Tensor:
        return self._known_norm.bias

    @property
    def _known_norm(self) -> Norm:
        if self.norm is None:
            raise NotReplayableError(f"{self.path}: what it reads is no norm with a gain by channel")
        return self.norm

    def write(self, y: torch.Tensor) -> torch.Tensor:
        """Output of the block -> what is added to the stream, without constant terms, up to a positive factor a token."""
        if self._share is None:
            return y
        return self._share(y) - self._share(torch.zeros_like(y))

    @cached_property
    def write_gain(self) -> torch.Tensor | None:
        """(d_model,) by which `write` multiplies, up to one positive factor; None if it is no factor by channel."""
        y = torch.randn(16, self.d_model, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
        written = self.write(y)
        if written.shape != y.shape:
            return None
        ratios = written / y
        ratios = ratios / ratios.norm(dim=-1, keepdim=True)
        return ratios.mean(0) if torch.allclose(ratios, ratios[:1], rtol=0, atol=1e-8) else None

    def product(self, gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
        """The live elementwise part: pre-activations (tokens, neurons) of gate and up -> what the last matrix gets."""
        return self._by_rows(self._pattern.post, {self._pattern.gate: gate, self._pattern.up: up})

    def activation(self, gate: torch.Tensor) -> torch.Tensor:
        """The live factor made from the gate's pre-activations alone, (tokens, neurons) both."""
        return self._by_rows(self._pattern.gate_active, {self._pattern.gate: gate})

    def _by_rows(self, target: int, given: Mapping[int, torch.Tensor]) -> torch.Tensor:
        shape = self._flow.trace.tensor(next(iter(given))).shape
        rows = shape.numel() // shape[-1]
        tokens = len(next(iter(given.values())))
        results = []
        with in_float64():
            for start in range(0, tokens, rows):
                chunk = {number: value[start : start + rows] for number, value in given.items()}
                padded = {
                    number: torch.cat([value, value.new_zeros(rows - len(value), value.shape[-1])]).reshape(shape)
                    for number, value in chunk.items()
                }
                results.append(self._flow.replay(target, padded).reshape(rows, -1))
        return torch.cat(results)[:tokens]


def live_blocks(model: nn.Module, inputs: Mapping[str, Any]) -> list[LiveBlock]:
    """Every gated block whose output depends on token ids; blocks with the same tensors (tied stacks, calls again) once.

    The model is turned to float64, eval mode and eager experts.
    """
    model = model.double().eval()
    inputs = {key: value.double() if _is_float(value) else value for key, value in inputs.items()}
    for module in model.modules():
        config = getattr(module, "config", None)
        if getattr(config, "_experts_implementation", None) is not None:
            config._experts_implementation = "eager"
    trace = trace_forward(model, inputs)
    flow = Flow(trace)
    blocks: list[LiveBlock] = []
    seen: set[Any] = set()
    for pattern in PatternFinder(flow).find():
        if pattern.out in flow.text and pattern.weights not in seen:
            seen.add(pattern.weights)
            blocks += _blocks(flow, _owner(trace, pattern), pattern)
    return blocks


def _is_float(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.is_floating_point()


def _owner(trace: Trace, pattern: GatedProduct) -> Call:
    """The innermost call in which the whole pattern ran."""
    stacks = [trace.nodes[index].calls for index in pattern.nodes]
    common = [same[0] for same in zip(*stacks, strict=False) if len(set(same)) == 1]
    return trace.calls[common[-1]]


def _parent(trace: Trace, call: Call) -> Call:
    return trace.calls[call.parents[-1]]


def _rows(flow: Flow, call: Call) -> int:
    tensor = flow.trace.tensor(call.inputs[0])
    return tensor.shape.numel() // tensor.shape[-1]


def _layer_call(trace: Trace, owner: Call) -> Call:
    """The innermost call around the block that is an element of a list of modules, or else the outermost one."""
    for number in reversed((*owner.parents, owner.number)[:-1] or (owner.number,)):
        if trace.calls[number].path.rpartition(".")[2].isdigit():
            return trace.calls[number]
    return trace.calls[(*owner.parents, owner.number)[0]]


def _blocks(flow: Flow, owner: Call, pattern: GatedProduct) -> list[LiveBlock]:
    trace = flow.trace
    experts, call = expert_run(owner), owner
    if experts is None and owner.parents and (outer := expert_run(_parent(trace, owner))) is not None:
        experts, call = outer, _parent(trace, owner)
    if experts is None:
        return [_dense(flow, owner, pattern)]
    around = _parent(trace, call) if routes_inside(call) else call
    layer = _layer_call(trace, call)
    inside = [around, *(trace.calls[number] for number in reversed(around.parents) if number > layer.number)]
    around = max(inside, key=lambda each: _rows(flow, each))  # the innermost that gets all tokens, not some of them
    h, out = around.inputs[0], around.outputs[0]
    shared = "share" in call.path.rpartition(".")[2]
    read, share, notes = _ends(flow, h, out, around)
    share = _after_norm(norm_of_outputs(call.module), share)

    def one(expert: int, run: ExpertRun) -> Callable[[torch.Tensor], torch.Tensor]:
        def alone(h: torch.Tensor) -> torch.Tensor:
            with in_float64():
                return run(expert, h)

        return alone

    return [
        _block(
            flow,
            call,
            pattern,
            "shared_expert" if shared else "expert",
            expert,
            one(expert, experts),
            read,
            share,
            notes,
        )
        for expert in range(expert_count(call.module))
    ]


def _after_norm(norm: nn.Module | None, share: Path | None) -> Callable[[torch.Tensor], torch.Tensor] | None:
    if norm is None:
        return share

    def normed(y: torch.Tensor) -> torch.Tensor:
        with in_float64():
            y = norm(y)
        return share(y) if share else y

    return normed


def _dense(flow: Flow, owner: Call, pattern: GatedProduct) -> LiveBlock:
    content = flow.same_content(pattern.h)
    places = [number for number in owner.inputs if flow.same_content(number) == content]
    floats = [number for number in owner.inputs if flow.trace.tensor(number).is_floating_point()]
    run: Callable[[torch.Tensor], torch.Tensor]
    if places and floats == places[:1] and _gives_all(flow, pattern.out, owner):
        h, out = places[0], owner.outputs[0]
        run = _ModuleRun(owner, h, flow.trace.tensor(h).shape)
    else:
        h, out = pattern.h, pattern.out
        run = Path(flow, h, out)
    read, share, notes = _ends(flow, h, out, owner)
    kind = "shared_expert" if "share" in owner.path.rpartition(".")[2] else "dense"
    return _block(flow, owner, pattern, kind, None, run, read, share, notes)


@dataclass(frozen=True)
class _ModuleRun:
    """The live module, called as it was, with h in its place."""

    call: Call
    h: int
    shape: torch.Size

    def __call__(self, h: torch.Tensor) -> torch.Tensor:
        def filled(leaf: Any) -> Any:
            if not isinstance(leaf, Value):
                return leaf
            return given if leaf.number == self.h else leaf.tensor

        given = h if len(self.shape) == 2 else h.reshape(*[1] * (len(self.shape) - 2), *h.shape)
        with in_float64():
            output = self.call.module(
                *map(filled, self.call.args), **{k: filled(v) for k, v in self.call.kwargs.items()}
            )
        output = output if isinstance(output, torch.Tensor) else output[0]
        return output.reshape(len(h), -1)


def _gives_all(flow: Flow, out: int, owner: Call) -> bool:
    """Whether all that the module returns comes from its gated neurons, nothing from other branches of it."""
    if not owner.outputs or owner.outputs[0] not in flow.made_from(out, owner.last):
        return False
    y = torch.randn(
        4, flow.trace.tensor(out).shape[-1], dtype=torch.float64, generator=torch.Generator().manual_seed(5)
    )
    return torch.equal(Path(flow, out, owner.outputs[0])(y), Path(flow, out, owner.outputs[0], alone=True)(y))


def _ends(flow: Flow, h: int, out: int, call: Call) -> tuple[Path, Path | None, list[str]]:
    """How the block reads the stream and how its output gets there."""
    notes: list[str] = []
    meeting = find_meeting(flow, h, out, _layer_call(flow.trace, call))
    reads = [Path(flow, meeting.stream, h)] if meeting else []
    source = module_before(flow, h, call)
    if source is not None:
        reads.append(Path(flow, source, h))
    reads = [read for read in reads if _works(read, flow.trace.tensor(h).shape[-1])]
    read = next(
        (read for read in reads if probe(read, read.width) is not None), reads[0] if reads else Path(flow, h, h)
    )
    if meeting is None:
        notes.append("no residual sum found: it writes as it is")
        return read, None, notes
    if read.source != meeting.stream:
        notes.append(
            "reads no stream that it is added to: what it reads is the input of the module before it, or its own"
        )
    share = Path(flow, out, meeting.share, alone=True)
    if not share.by_token():
        notes.append("tokens are mixed between the block and the sum: it writes what goes into the mixing")
        share = Path(flow, out, last_by_token(flow, out, meeting.share), alone=True)
    return read, share, notes


def _works(path: Path, width: int) -> bool:
    try:
        return path.width == width and path.by_token()
    except NotReplayableError:
        return False


def _block(
    flow: Flow,
    call: Call,
    pattern: GatedProduct,
    kind: str,
    expert: int | None,
    run: Callable[[torch.Tensor], torch.Tensor],
    read: Callable[[torch.Tensor], torch.Tensor],
    share: Callable[[torch.Tensor], torch.Tensor] | None,
    notes: list[str],
) -> LiveBlock:
    paths = [flow.trace.calls[number].path for number in call.parents] + [call.path]
    numbers = [re.search(r"\d+", path) for path in paths]
    return LiveBlock(
        path=call.path,
        layer=next((int(number[0]) for number in numbers if number), NO_LAYER),
        kind=kind,
        expert=expert,
        d_model=flow.trace.tensor(pattern.h).shape[-1],
        neurons=flow.trace.tensor(pattern.post).shape[-1],
        run=run,
        read=read,
        inner_norm=pattern.normed,
        _share=share,
        _flow=flow,
        _pattern=pattern,
        notes=notes,
    )
