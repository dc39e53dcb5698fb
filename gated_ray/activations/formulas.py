"""The elementwise part of a gated neuron, made from the formula that is recorded with the model (`architectures.products`)."""

import ast
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch
import transformers

from gated_ray.errors import UnsupportedError

Function = Callable[[torch.Tensor], torch.Tensor]

_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
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
_OVER_NEURONS = {"mean", "std"}


@dataclass(frozen=True)
class Formula:
    """How a block makes ``post``: ``gate_factor(g) * in_factor(u)``, on tensors whose last dimension is the neurons.

    Attributes:
        text: as it is recorded.
        gate_factor: g -> act(g) of METHOD section 6.
        in_factor: u -> what act(g) is multiplied by; u itself but for models that clip it, say.
        is_elementwise: whether a neuron's factor depends on no other neuron.
    """

    text: str
    gate_factor: Function
    in_factor: Function
    is_elementwise: bool


def formula_of(product: str, activation: str | None) -> Formula:
    """The formula of a block.

    Args:
        product: as in `Block.product`, numbers filled in.
        activation: the function that it calls ``act``, as config.json names it.

    Raises:
        UnsupportedError: a function that transformers does not have, or gate and in are not two factors.
    """
    tree = ast.parse(re.sub(r"\bin\b", "in_", product), mode="eval").body
    functions = dict(_FUNCTIONS)
    used = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    if "act" in used:
        functions["act"] = _activation(activation)
    factors: dict[str, list[Function]] = {"gate": [], "in_": []}
    for node in _factors(tree):
        names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)} & factors.keys()
        if len(names) > 1:
            raise UnsupportedError(f"the neuron's formula {product} does not multiply a function of gate by one of in")
        factors["in_" if names == {"in_"} else "gate"].append(_function(node, functions))
    if not factors["in_"]:
        raise UnsupportedError(f"the neuron's formula {product} has no factor of in")
    return Formula(product, _product(factors["gate"]), _product(factors["in_"]), not used & _OVER_NEURONS)


def _activation(name: str | None) -> Function:
    known = transformers.activations.ACT2FN
    if name is None or name not in known:
        raise UnsupportedError(f"the activation function {name!r} is none of transformers'")
    function: Function = known[name]
    return function


def _factors(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return [*_factors(node.left), *_factors(node.right)]
    return [node]


def _product(functions: list[Function]) -> Function:
    if len(functions) == 1:
        return functions[0]
    return lambda value: reduce(operator.mul, (function(value) for function in functions))


def _function(node: ast.expr, functions: dict[str, Callable[..., Any]]) -> Any:
    """A function of the one tensor that `node` names, made of closures, which torch.compile looks through."""
    match node:
        case ast.Name():
            return lambda value: value
        case ast.Constant(value=number):
            return lambda _: number
        case ast.BinOp(left=left, op=op, right=right):
            combine, one, other = _OPERATORS[type(op)], _function(left, functions), _function(right, functions)
            return lambda value: combine(one(value), other(value))
        case ast.Call(func=ast.Name(id=name), args=args):
            call, made = functions[name], [_function(each, functions) for each in args]
            return lambda value: call(*(each(value) for each in made))
    raise AssertionError(f"{ast.unparse(node)} passed the check of products")
