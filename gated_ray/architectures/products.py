"""How gate and in make a neuron's activation: formulas that are recorded with a model, with numbers of its config.

A formula is made of ``gate``, ``in``, numbers, + - * / and the functions of `FUNCTIONS`; ``act`` is the model's activation
function, ``clip(x, c)`` keeps x within [-c, c], ``mean`` and ``std`` are over the neurons of a token, ``icdf`` is the normal
distribution's.
"""

import ast
import math
import re
from collections.abc import Mapping
from typing import Any

from gated_ray.architectures.configuration import config_value
from gated_ray.errors import CheckpointError
from gated_ray.sources.documents import said

PLAIN = "act(gate) * in"
FUNCTIONS = ("act", "min", "clip", "relu", "sigmoid", "tanh", "mean", "std", "icdf")

_PLACE = re.compile(r"\{(?P<key>[\w.]+)(:(?P<default>[^{}]*))?\}")
_OF_LAYERS = re.compile(r"\{(\w+)\.layer\}")


def product_of(template: str, config: Mapping[str, Any], layer: int, where: str) -> str:
    """The formula of one layer.

    Args:
        template: with ``{key}``, ``{key:default}``, or ``{key.layer}`` for the layer's entry of a list, which where 0 or
            absent leaves `PLAIN`.
        config: of the stack.
        layer: number.
        where: for messages.

    Raises:
        CheckpointError: config.json lacks a key, or has no number there.
    """
    if any(not config_value(config, (f"{key}.{layer}",)) for key in _OF_LAYERS.findall(template)):
        return PLAIN

    def number(match: re.Match[str]) -> str:
        found = config_value(config, (match["key"].replace(".layer", f".{layer}"),))
        if found is None and match["default"] is not None:
            found = float(match["default"])
        if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
            raise CheckpointError(
                f"{where}: config.json says {match['key']}={said(found)}; the neurons' activations depend on this number"
            )
        return str(float(found))

    return _PLACE.sub(number, template)


def check_product(template: str) -> None:
    """Raise ValueError for a template that is no formula."""
    formula = re.sub(r"\bin\b", "in_", _PLACE.sub("1.0", template))
    try:
        nodes = list(ast.walk(ast.parse(formula, mode="eval").body))
    except SyntaxError as error:
        raise ValueError(f"product {template!r} is no formula") from error
    for node in nodes:
        match node:
            case ast.Name(id=name) if name in ("gate", "in_", *FUNCTIONS):
                pass
            case ast.Call(func=ast.Name(id=name), keywords=[]) if name in FUNCTIONS:
                pass
            case ast.Constant(value=int() | float()) | ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div()):
                pass
            case ast.operator() | ast.expr_context():
                pass
            case _:
                raise ValueError(
                    f"product {template!r}: {ast.unparse(node)} is not understood; functions are {', '.join(FUNCTIONS)}"
                )
