"""Where a block meets the residual stream in a recorded forward pass: the stream it reads, and the sum it is added in."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from tests.conformance.replay import Flow, NotReplayableError
from tests.conformance.tracing import Call, Node, float64_by_default

_PASSES = {"view", "_unsafe_view", "unsqueeze", "squeeze", "clone", "_to_copy", "alias", "detach", "_reshape_alias"}
_SUMS = {"add", "sub"}
_SCALINGS = {"mul", "div"}


@dataclass(frozen=True)
class Path:
    """From one value of the trace to another, as a function of rows. The traced number of rows is processed at a time.

    Where the target has several residual streams for each row, the result is their sum.
    """

    flow: Flow
    source: int
    target: int
    alone: bool = False
    """Whether what is added to the path from elsewhere is left out."""

    @property
    def is_identity(self) -> bool:
        return self.flow.same_content(self.source) == self.flow.same_content(self.target)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """(tokens, width) float64 -> (tokens, width)."""
        if self.is_identity:
            return x
        shape = self.flow.trace.tensor(self.source).shape
        rows, width = shape.numel() // shape[-1], shape[-1]
        padded = torch.cat([x, x.new_zeros(-len(x) % rows, width)])
        return torch.cat([self._rows(chunk.reshape(shape)) for chunk in padded.split(rows)])[: len(x)]

    def _rows(self, values: torch.Tensor) -> torch.Tensor:
        with float64_by_default():
            result = self.flow.replay(self.target, {self.source: values}, self._without_others if self.alone else None)
        rows, width = values.numel() // values.shape[-1], values.shape[-1]
        if result.numel() % (rows * result.shape[-1]):
            raise NotReplayableError("the path changes the number of rows")
        streams = result.reshape(rows, -1, width if result.shape[-1] % width == 0 else result.shape[-1])
        return streams.sum(1)

    def _without_others(self, node: Node, moving: list[int]) -> Callable[..., Any] | None:
        """A sum with another changing value keeps this path's share alone."""
        if node.name not in _SUMS:
            return None
        numbers = [arg.number if hasattr(arg, "number") else None for arg in node.args[:2]]
        others = [position for position, number in enumerate(numbers) if number not in moving]
        if len(others) != 1 or numbers[others[0]] not in self.flow.dependent:
            return None
        own = 1 - others[0]
        shape = self.flow.trace.tensor(node.outputs[0]).shape
        sign = -1 if node.name == "sub" and own else 1
        return lambda *args, **kwargs: sign * args[own].expand(shape)

    @property
    def width(self) -> int:
        return self.flow.trace.tensor(self.source).shape[-1]

    def by_token(self) -> bool:
        """Whether every row of the result depends on its own row alone."""
        shape = self.flow.trace.tensor(self.source).shape
        rows = shape.numel() // shape[-1]
        x = torch.randn(rows, shape[-1], dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        moved = x.clone()
        moved[0] += 1
        moved[-1] -= 1
        one, two = self(x), self(moved)
        return len(one) == rows and torch.allclose(one[1:-1], two[1:-1], rtol=0, atol=1e-12)


@dataclass(frozen=True)
class Meeting:
    """The stream before the block, and the block's share of the sum that makes the stream after it."""

    stream: int
    share: int


def find_meeting(flow: Flow, h: int, out: int, layer: Call) -> Meeting | None:
    """The first sum, within the layer, of something made from `out` and a stream that `h` was made from."""
    above = flow.ancestors(h)
    derived = flow.made_from(out, layer.last)
    start = flow.trace.maker[out][0].index + 1
    for node in flow.trace.nodes[start : layer.last + 1]:
        if node.name != "add":
            continue
        sides = [arg.number for arg in node.args[:2] if hasattr(arg, "number")]
        own = [number for number in sides if number in derived]
        other = [number for number in sides if number not in derived and number in flow.dependent]
        if len(own) == 1 and len(other) == 1:
            stream = _latest_stream(flow, other[0], above)
            if stream is not None:
                return Meeting(stream, own[0])
    return None


def _latest_stream(flow: Flow, number: int, above: set[int]) -> int | None:
    """Of the terms of a sum, the latest that is among `above`."""
    found, todo, seen = [], [number], set()
    while todo:
        number = todo.pop()
        if number in seen:
            continue
        seen.add(number)
        if number in above:
            found.append(number)
            continue
        maker = flow.trace.maker.get(number)
        if maker is None:
            continue
        node = maker[0]
        terms = [value for value in dict.fromkeys(node.inputs) if value in flow.dependent]
        if node.name in _SUMS or node.name in _PASSES or (node.name in _SCALINGS and len(terms) == 1):
            todo += terms
    return max(found, default=None)


def module_before(flow: Flow, h: int, owner: Call) -> int | None:
    """The input of the innermost module, other than the block, whose output is `h`; None if no module gives it."""
    content = flow.same_content(h)
    width = flow.trace.tensor(h).shape[-1]
    for call in reversed(flow.trace.calls):
        if call.number == owner.number or call.last >= owner.first or not call.outputs or not call.inputs:
            continue
        if flow.same_content(call.outputs[0]) != content:
            continue
        source = flow.trace.tensor(call.inputs[0])
        if flow.same_content(call.inputs[0]) == content or not source.is_floating_point():
            continue
        if source.numel() == flow.trace.tensor(h).numel() and source.shape[-1] == width:
            return call.inputs[0]
    return None


def last_by_token(flow: Flow, out: int, share: int) -> int:
    """Of the values between `out` and `share`, the last one reached without mixing tokens."""
    reached = out
    shape, needed = flow.trace.tensor(out).shape, flow.ancestors(share)
    for number in sorted(flow.made_from(out, flow.trace.maker[share][0].index) & needed):
        tensor = flow.trace.tensor(number)
        if tensor.shape[-1] == shape[-1] and tensor.numel() == shape.numel() and number != out:
            if not Path(flow, out, number, alone=True).by_token():
                break
            reached = number
    return reached
