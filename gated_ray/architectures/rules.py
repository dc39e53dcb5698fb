"""The rules of ``families.toml``, as frozen records. Unknown keys and values are refused."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from typing import Any, Literal, get_args

Layout = Literal["linear", "conv1d"]
Norm = Literal["rms", "layer", "none"]
Gain = Literal["w", "1+w"]


@dataclass(frozen=True)
class Rule:
    """Where one kind of block lies in a checkpoint. The fields are explained in ``families.toml``."""

    prefixes: tuple[str, ...]
    component: str
    gate: str
    w_in: str
    w_out: str
    layout: Layout
    norm: Norm
    pre_norm: str
    post_norm: str
    gain: Gain
    layers: tuple[str, ...]
    d_model: tuple[str, ...]
    d_mlp: tuple[str, ...]
    activation: tuple[str, ...]
    activation_name: str
    when: Mapping[str, Any]


_TOML_NAMES = {"w_in": "in", "w_out": "out"}
_CHOICES = {"layout": get_args(Layout), "norm": get_args(Norm), "gain": get_args(Gain)}


def parse_families(text: str) -> dict[str, tuple[Rule, ...]]:
    """Rules by model_type.

    Raises:
        ValueError: a key or a value that a rule does not have, or a value of another kind than the base's.
    """
    document = tomllib.loads(text)
    base = document.pop("base")
    families = document.pop("family")
    if document:
        raise ValueError(f"unknown tables: {', '.join(document)}")
    return {
        model_type: tuple(_rule(base, override, model_type) for override in overrides)
        for model_type, overrides in families.items()
    }


def _rule(base: dict[str, Any], override: dict[str, Any], model_type: str) -> Rule:
    names = {_TOML_NAMES.get(field.name, field.name): field.name for field in fields(Rule)}
    entries = base | override
    if names.keys() != entries.keys():
        wrong = ", ".join(sorted(names.keys() ^ entries.keys()))
        raise ValueError(f"{model_type}: a rule has {', '.join(names)}; missing or unknown: {wrong}")
    values: dict[str, Any] = {}
    for name, value in entries.items():
        if type(value) is not type(base[name]):
            raise ValueError(f"{model_type}: {name}={value!r} is not of the kind of {base[name]!r}")
        if name in _CHOICES and value not in _CHOICES[name]:
            raise ValueError(f"{model_type}: {name}={value!r} is none of {', '.join(_CHOICES[name])}")
        values[names[name]] = tuple(value) if isinstance(value, list) else value
    return Rule(**values)


@cache
def families() -> dict[str, tuple[Rule, ...]]:
    """The rules that ship with the package, by model_type."""
    return parse_families(resources.files(__package__).joinpath("families.toml").read_text())
