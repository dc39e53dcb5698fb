"""Parts of a recorded forward pass: what depends on what, and the same operations on other values."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.utils._pytree import tree_flatten, tree_map

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
        """The value, and all that it depends on."""
        reached, todo = {number}, [number]
        while todo:
            maker = self.trace.maker.get(todo.pop())
            new = [value for value in (maker[0].inputs if maker else ()) if value not in reached]
            reached.update(new)
            todo += new
        return reached

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
        derived: set[int] = set(given)
        last = self.trace.maker[target][0].index if target in self.trace.maker else -1
        first = min(
            (self.trace.maker[number][0].index + 1 for number in given if number in self.trace.maker), default=0
        )
        needed = self.ancestors(target)
        if target in given:
            return given[target]
        computed = dict(given)
        for node in self.trace.nodes[first : last + 1]:
            moving = [number for number in node.inputs if number in derived]
            if not moving or not any(number in needed for number in node.outputs):
                continue
            results = self._again(node, moving, computed, override)
            for number in node.outputs:
                position = self.trace.maker[number][1]
                if number in given:
                    continue
                if position < 0:
                    if number in needed:
                        raise NotReplayableError(f"{node.func} writes through a view")
                    continue
                computed[number] = results[position]
                derived.add(number)
        if target not in computed:
            raise NotReplayableError("the target does not depend on what was given")
        return computed[target]

    def _again(
        self, node: Node, moving: list[int], computed: dict[int, torch.Tensor], override: Any
    ) -> list[torch.Tensor]:
        args, kwargs = tree_map(lambda leaf: self._known(leaf, computed), (node.args, node.kwargs))
        other = override(node, moving) if override else None
        if other is not None:
            return [other(*args, **kwargs)]
        func = node.func
        if func._schema.is_mutable:
            packet = getattr(torch.ops.aten, node.name, None)
            func = getattr(packet, func._overloadname, None) if packet else None
            if func is None:
                raise NotReplayableError(f"{node.func} has no form that leaves its arguments alone")
        return [leaf for leaf in tree_flatten(func(*args, **kwargs))[0] if isinstance(leaf, torch.Tensor)]

    @staticmethod
    def _known(leaf: Any, computed: dict[int, torch.Tensor]) -> Any:
        return computed.get(leaf.number, leaf.tensor) if isinstance(leaf, Value) else leaf
