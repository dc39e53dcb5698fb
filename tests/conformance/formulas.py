"""The elementwise part of a gated neuron, evaluated from the formula that is recorded with the model."""

import ast
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

import torch
from transformers.activations import ACT2FN

_OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "min": lambda value, limit: value.clamp(max=limit),
    "clip": lambda value, limit: value.clamp(-limit, limit),
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "mean": lambda value: value.mean(-1, keepdim=True),
    "std": lambda value: value.std(-1, keepdim=True, unbiased=False),
    "icdf": lambda share: float(torch.distributions.Normal(0.0, 1.0).icdf(torch.tensor(share, dtype=torch.float64))),
}


def evaluate(
    formula: str, activation: str, gate: torch.Tensor, up: torch.Tensor, settings: Mapping[str, float]
) -> torch.Tensor:
    """A formula such as ``act(gate) * in`` or ``act(min(gate, limit)) * (clip(in, limit) + 1)``.

    Args:
        activation: name in transformers' ACT2FN; called ``act`` in the formula.
        gate, up: pre-activations, (tokens, neurons) float64; ``gate`` and ``in`` in the formula.
        settings: the numbers that the formula names; ``mean`` and ``std`` in it are over neurons.

    Raises:
        AssertionError: the formula has something else in it.
    """
    assert activation in ACT2FN, f"activation {activation!r} is none of transformers'"
    names = {"gate": gate, "in_": up, **settings}
    functions = {"act": ACT2FN[activation], **_FUNCTIONS}

    def value(node: ast.expr) -> Any:
        match node:
            case ast.BinOp() if type(node.op) in _OPERATORS:
                return _OPERATORS[type(node.op)](value(node.left), value(node.right))
            case ast.Call(func=ast.Name(id=name), keywords=[]) if name in functions:
                return functions[name](*map(value, node.args))
            case ast.Name(id=name) if name in names:
                return names[name]
            case ast.Constant(value=int() | float() as number):
                return number
        raise AssertionError(f"product {formula!r}: {ast.unparse(node)} is not understood")

    result: torch.Tensor = value(ast.parse(re.sub(r"\bin\b", "in_", formula), mode="eval").body)
    return result
