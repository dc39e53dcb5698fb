"""Parts of a recorded forward pass: what depends on what, and the same operations on other values."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch.utils._pytree import tree_leaves

from tests.conformance.tracing import Node, Trace, Value

_SAME_CONTENT = {
    "view",
    "_unsafe_view",
    "unsqueeze",
    "squeeze",
    "clone",
    "_to_copy",
    "alias",
    "detach",
    "_reshape_alias",
}


class NotReplayableError(Exception):
    """The recorded operations cannot give the wanted value from the given ones."""


class Flow:
    """The dependencies of a trace.

    Attributes:
        dependent: numbers of the values that change with some input of the model.
        text: numbers of those that change with token ids, or with embeddings given in their place.
    """

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.dependent = self._forward(set(trace.inputs))
        self.text = self._forward(
            {number for number, name in trace.inputs.items() if name.endswith("input_ids") or name == "inputs_embeds"}
        )
        self._ancestors: dict[int, set[int]] = {}
        self._plans: dict[tuple[int, frozenset[int]], list[tuple[Node, list[int]]]] = {}
        self.users: dict[int, list[Node]] = {}
        for node in trace.nodes:
            for number in dict.fromkeys(node.inputs):
                self.users.setdefault(number, []).append(node)

    def _forward(self, reached: set[int]) -> set[int]:
        for node in self.trace.nodes:
            if any(number in reached for number in node.inputs):
                reached.update(node.outputs)
        return reached

    def made_from(self, source: int, last: int) -> set[int]:
        """The value, and all that depends on it up to node `last`."""
        maker = self.trace.maker.get(source)
        reached = {source}
        for node in self.trace.nodes[maker[0].index + 1 if maker else 0 : last + 1]:
            if any(number in reached for number in node.inputs):
                reached.update(node.outputs)
        return reached

    def ancestors(self, number: int) -> set[int]:
        """The value, and all that it depends on; asked for thousands of times of the same."""
        if number not in self._ancestors:
            reached, todo = {number}, [number]
            while todo:
                maker = self.trace.maker.get(todo.pop())
                new = [value for value in (maker[0].inputs if maker else ()) if value not in reached]
                reached.update(new)
                todo += new
            self._ancestors[number] = reached
        return self._ancestors[number]

    def same_content(self, number: int) -> int:
        """The earliest value that holds the same numbers in the same order."""
        while (maker := self.trace.maker.get(number)) and maker[0].name in _SAME_CONTENT:
            source = maker[0].inputs[0]
            if self.trace.tensor(source).numel() != self.trace.tensor(number).numel():
                break
            number = source
        return number

    def replay(
        self, target: int, given: Mapping[int, torch.Tensor], override: Callable[[Node, list[int]], Any] | None = None
    ) -> torch.Tensor:
        """The target value, computed again with `given` in place of these values.

        Args:
            override: given a node and the numbers among its inputs that are computed again, another result for it
                (a function of its arguments), or None.
        """
        if target in given:
            return given[target]
        computed = dict(given)
        for node, moving in self._steps(target, frozenset(given)):
            results = self._again(node, moving, computed, override)
            for number in node.outputs:
                position = self.trace.maker[number][1]
                if number not in given and position >= 0:
                    computed[number] = results[position]
        if target not in computed:
            raise NotReplayableError("the target does not depend on what was given")
        return computed[target]

    def _steps(self, target: int, given: frozenset[int]) -> list[tuple[Node, list[int]]]:
        """The nodes between, each with the numbers among its inputs that are computed again."""
        if (target, given) not in self._plans:
            self._plans[target, given] = list(self._plan(target, given))
        return self._plans[target, given]

    def _plan(self, target: int, given: frozenset[int]) -> Iterator[tuple[Node, list[int]]]:
        maker, needed, derived = self.trace.maker, self.ancestors(target), set(given)
        last = maker[target][0].index if target in maker else -1
        first = min((maker[number][0].index + 1 for number in given if number in maker), default=0)
        for node in self.trace.nodes[first : last + 1]:
            moving = [number for number in node.inputs if number in derived]
            if not moving or not any(number in needed for number in node.outputs):
                continue
            new = [number for number in node.outputs if number not in given]
            if any(maker[number][1] < 0 and number in needed for number in new):
                raise NotReplayableError(f"{node.func} writes through a view")
            derived.update(number for number in new if maker[number][1] >= 0)
            yield node, moving

    def _again(
        self, node: Node, moving: list[int], computed: dict[int, torch.Tensor], override: Any
    ) -> list[torch.Tensor]:
        args, kwargs = _filled(node.args, computed), _filled(node.kwargs, computed)
        other = override(node, moving) if override else None
        if other is not None:
            return [other(*args, **kwargs)]
        func = node.func
        if func._schema.is_mutable:
            packet = getattr(torch.ops.aten, node.name, None)
            func = getattr(packet, func._overloadname, None) if packet else None
            if func is None:
                raise NotReplayableError(f"{node.func} has no form that leaves its arguments alone")
        result = func(*args, **kwargs)
        leaves = [result] if isinstance(result, torch.Tensor) else tree_leaves(result)
        return [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]


def _filled(recorded: Any, computed: Mapping[int, torch.Tensor]) -> Any:
    """Arguments with tensors in place of values; torch's own way of walking them takes most of the time of a replay."""
    if isinstance(recorded, Value):
        return computed.get(recorded.number, recorded.tensor)
    if isinstance(recorded, list | tuple):
        return type(recorded)([_filled(each, computed) for each in recorded])
    if isinstance(recorded, dict):
        return {name: _filled(each, computed) for name, each in recorded.items()}
    return recorded
