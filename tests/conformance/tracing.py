"""A forward pass recorded operation by operation, in float64, so that any part of it can be run again on other values.

Every tensor the model makes becomes a numbered *value*, made by one node; an operation that writes into a tensor makes a
new value for it. Module calls are recorded too: which values went in and came out, and which nodes ran inside.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

_SHORT_FLOATS = (torch.float32, torch.bfloat16, torch.float16)


class InFloat64(TorchDispatchMode):
    """Every conversion to a shorter float gives float64 instead: models cast to float32 in norms and routers."""

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        return func(*args, **long_floats(kwargs or {}))


@contextmanager
def float64_by_default() -> Iterator[None]:
    """For what was recorded, whose conversions are long already: a dispatch mode costs more than a tiny operation."""
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.no_grad():
            yield
    finally:
        torch.set_default_dtype(default)


@contextmanager
def in_float64() -> Iterator[None]:
    """Whatever is computed inside is float64, new tensors included."""
    with float64_by_default(), InFloat64():
        yield


def long_floats(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return {key: torch.float64 if value in _SHORT_FLOATS else value for key, value in kwargs.items()}


@dataclass(frozen=True)
class Value:
    """A tensor as it was between two writes to it."""

    number: int
    tensor: torch.Tensor


@dataclass
class Node:
    """One aten operation. `args` and `kwargs` hold values where the model passed tensors."""

    index: int
    func: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    inputs: list[int]
    outputs: list[int]
    calls: tuple[int, ...]

    @property
    def name(self) -> str:
        """Such as ``mul``, and ``mul`` for the in-place form too."""
        return str(self.func.overloadpacket.__name__).rstrip("_")


@dataclass
class Call:
    """One call of a module: `inputs` and `outputs` are the numbers of the values, in order of appearance."""

    number: int
    path: str
    module: torch.nn.Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    inputs: list[int]
    first: int
    parents: tuple[int, ...]
    last: int = -1
    outputs: list[int] = field(default_factory=list)


class Trace(TorchDispatchMode):
    """What happened inside ``with trace:``."""

    def __init__(self) -> None:
        super().__init__()
        self.nodes: list[Node] = []
        self.calls: list[Call] = []
        self.values: list[Value] = []
        self.maker: dict[int, tuple[Node, int]] = {}
        self.inputs: dict[int, str] = {}
        self._current: dict[int, int] = {}
        self._storage: dict[int, list[torch.Tensor]] = {}
        self._stack: list[int] = []

    def value(self, tensor: torch.Tensor) -> int:
        """The number of the value that this tensor holds now."""
        if id(tensor) not in self._current:
            self._new(tensor)
        return self._current[id(tensor)]

    def _new(self, tensor: torch.Tensor) -> int:
        number = len(self.values)
        self.values.append(Value(number, tensor))
        if id(tensor) not in self._current:
            self._storage.setdefault(tensor.untyped_storage()._cdata, []).append(tensor)
        self._current[id(tensor)] = number
        return number

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        kwargs = long_floats(kwargs or {})
        numbered_args, numbered_kwargs = tree_map(self._numbered, (args, kwargs))
        result = func(*args, **kwargs)
        inputs = _numbers((numbered_args, numbered_kwargs))
        node = Node(len(self.nodes), func, numbered_args, numbered_kwargs, inputs, [], tuple(self._stack))
        self.nodes.append(node)
        made = [leaf for leaf in tree_flatten(result)[0] if isinstance(leaf, torch.Tensor)]
        for position, tensor in enumerate(made):
            number = self._new(tensor)
            node.outputs.append(number)
            self.maker[number] = (node, position)
        if func._schema.is_mutable:
            self._mark_aliases(node, made, args, kwargs)
        return result

    def _numbered(self, leaf: Any) -> Any:
        return self.values[self.value(leaf)] if isinstance(leaf, torch.Tensor) else leaf

    def _mark_aliases(
        self, node: Node, made: list[torch.Tensor], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        for argument, value in zip(node.func._schema.arguments, args, strict=False):
            written = argument.alias_info is not None and argument.alias_info.is_write
            if written and isinstance(value, torch.Tensor):
                for alias in list(self._storage.get(value.untyped_storage()._cdata, [])):
                    if all(alias is not tensor for tensor in made):
                        number = self._new(alias)
                        node.outputs.append(number)
                        self.maker[number] = (node, -1)

    def enter(self, path: str, module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        numbered = tree_map(self._numbered, (args, kwargs))
        call = Call(len(self.calls), path, module, *numbered, _numbers(numbered), len(self.nodes), tuple(self._stack))
        self.calls.append(call)
        self._stack.append(call.number)

    def leave(self, output: Any) -> None:
        call = self.calls[self._stack.pop()]
        call.last = len(self.nodes) - 1
        call.outputs = _numbers(tree_map(self._numbered, output))

    def tensor(self, number: int) -> torch.Tensor:
        return self.values[number].tensor


def trace_forward(model: torch.nn.Module, inputs: Mapping[str, Any]) -> Trace:
    """The forward pass of a model on `inputs`; the model must hold float64 weights and be in eval mode."""
    trace = Trace()
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    with ExitStack() as hooks:
        hooks.callback(torch.set_default_dtype, default)
        for path, module in model.named_modules():
            if path:
                hooks.callback(module.register_forward_pre_hook(_entering(trace, path), with_kwargs=True).remove)
                hooks.callback(module.register_forward_hook(_leaving(trace), with_kwargs=True).remove)
        with torch.no_grad(), trace:
            for name, tensor in inputs.items():
                if isinstance(tensor, torch.Tensor):
                    trace.inputs[trace.value(tensor)] = name
            model(**inputs)
    return trace


def _entering(trace: Trace, path: str) -> Any:
    def hook(module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        trace.enter(path, module, args, kwargs)

    return hook


def _leaving(trace: Trace) -> Any:
    def hook(module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        trace.leave(output)

    return hook


def _numbers(tree: Any) -> list[int]:
    return [leaf.number for leaf in tree_flatten(tree)[0] if isinstance(leaf, Value)]
