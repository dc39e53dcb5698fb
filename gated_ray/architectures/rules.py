"""The rules of ``families.toml`` and of users' own files, as frozen records. Unknown keys and values are refused."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args

from gated_ray.architectures.products import check_product
from gated_ray.errors import InputError

Fused = Literal["", "gate_up", "up_gate", "interleaved"]
Layout = Literal["linear", "conv1d", "stacked", "experts", "experts_linear"]
Norm = Literal["rms", "layer", "none"]
Gain = Literal["w", "1+w"]


@dataclass(frozen=True)
class Form:
    """Names and layout of the tensors of one block. The fields are explained in ``forms.toml``."""

    name: str
    gate: str
    w_in: str
    w_out: str
    fused: Fused
    layout: Layout
    gate_bias: str
    in_bias: str
    out_bias: str

    @property
    def dimensions(self) -> int:
        """Of its tensors: three where they hold all experts of a layer."""
        return 3 if self.layout.startswith("experts") else 2

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The tensors that the form needs, each once."""
        return tuple(dict.fromkeys(name for name in (self.gate, self.w_in, self.w_out) if name))


@dataclass(frozen=True)
class Rule:
    """How the blocks of some model types are to be read. The fields are explained in ``families.toml``."""

    types: tuple[str, ...]
    when: Mapping[str, Any]
    only: tuple[str, ...]
    forms: tuple[str, ...]
    stacks: Mapping[str, str]
    modules: Mapping[str, str]
    some_layers: bool
    norm: Norm
    pre_norm: str
    gain: Gain
    post_norms: tuple[str, ...]
    scales: tuple[str, ...]
    tanh_scales: tuple[str, ...]
    inner_norm: str
    multiplier: str
    gate_multiplier: str
    layers: tuple[str, ...]
    d_model: tuple[str, ...]
    d_mlp: tuple[str, ...]
    d_expert: tuple[str, ...]
    experts: tuple[str, ...]
    activation: tuple[str, ...]
    activation_name: str
    product: str
    beside: tuple[str, ...]
    left_out: tuple[str, ...]
    expert_groups: tuple[str, ...]
    caveat: str
    refuse: str


@dataclass(frozen=True)
class Rules:
    """Everything that is known about where blocks lie.

    Attributes:
        base: what holds where a family says nothing else.
        forms: by name.
        families: rules by model_type.
        own: model types whose rules are the user's.
    """

    base: Rule
    forms: Mapping[str, Form]
    families: Mapping[str, tuple[Rule, ...]]
    own: frozenset[str] = frozenset()

    @cached_property
    def telling_keys(self) -> frozenset[str]:
        """Keys of config.json by which a rule changes what weights mean, or multiplies what a block writes."""
        keys = set[str]()
        for rule in (rule for family in self.families.values() for rule in family):
            keys |= {key.removesuffix("?") for key in rule.when}
            for entry in (rule.multiplier, rule.gate_multiplier):
                keys |= {entry.split(" / ")[0].removesuffix("?")} - {""}
        return frozenset(keys)


_CHOICES = {
    "fused": get_args(Fused),
    "layout": get_args(Layout),
    "norm": get_args(Norm),
    "gain": get_args(Gain),
}
_TOML_NAMES = {"w_in": "in", "w_out": "out"}
_FILES = ("forms.toml", "families.toml", "families_remote.toml")
_BASE_FORM = {"gate": "", "in": "", "out": "", "fused": "", "layout": "linear"}
_BASE_FORM |= {"gate_bias": "", "in_bias": "", "out_bias": ""}
_COMPONENT = re.compile(r"([a-z][a-z0-9_]*)?")
_MULTIPLIER = re.compile(r"([\w.]+\??( / sqrt\([\w.]+\))?)?")


def parse_rules(text: str, before: Rules | None = None) -> Rules:
    """Rules from TOML: ``[form.NAME]`` tables, ``[[family]]`` tables and, only in the first file, ``[base]``.

    Args:
        text: the document.
        before: rules that this file adds to; its model types replace theirs.

    Raises:
        ValueError: a key or a value that a rule does not have, or a value of another kind than the base's.
    """
    document = tomllib.loads(text)
    tables = {"form": dict, "family": list} | ({"base": dict} if before is None else {})
    for name, value in document.items():
        if type(value) is not tables.get(name):
            raise ValueError(f"{name}: not understood; a file of rules has [form.NAME] and [[family]] tables")
    forms = dict(before.forms) if before else {}
    for name, entries in document.get("form", {}).items():
        if name in forms:
            raise ValueError(f"form {name}: there is one of this name already; choose another")
        forms[name] = _form(name, entries)
    base = before.base if before else Rule(**_record(Rule, document["base"], {}, "base"))
    defaults = document["base"] if before is None else _toml_of(base)
    families: dict[str, tuple[Rule, ...]] = {}
    for entries in document.get("family", []):
        rule = _rule(defaults, entries, forms)
        for model_type in rule.types:
            families[model_type] = (*families.get(model_type, ()), rule)
    if not families and not document.get("form"):
        raise ValueError("no [[family]]: a file of rules says which model types it is for")
    if before is None:
        return Rules(base, forms, families)
    return replace(before, forms=forms, families={**before.families, **families}, own=frozenset(families))


def _form(name: str, entries: Any) -> Form:
    where = f"form {name}"
    if not isinstance(entries, dict):
        raise ValueError(f"{where}: not a table; write [form.{name}]")
    if "name" in entries:
        raise ValueError(f"{where}: name is the table's own and cannot be set")
    form = Form(**_record(Form, {"name": name, **_BASE_FORM}, {**entries, "name": name}, where))
    if not form.w_in or not form.w_out:
        raise ValueError(f"{where}: in and out must be named")
    if form.w_out in (form.gate, form.w_in):
        raise ValueError(f"{where}: out is the tensor of gate or in")
    if bool(form.fused) != (form.gate == form.w_in):
        raise ValueError(f"{where}: fused says how gate and in share one tensor: name it in both, or in neither")
    return form


def _rule(defaults: Mapping[str, Any], entries: Any, forms: Mapping[str, Form]) -> Rule:
    types = entries.get("types") if isinstance(entries, dict) else None
    if not isinstance(types, list) or not types or not all(isinstance(each, str) for each in types):
        raise ValueError("family: types must list the model_type values that it is for")
    where = f"family {', '.join(types)}"
    if isinstance(entries.get("beside"), list):
        entries = {**entries, "beside": [*defaults["beside"], *entries["beside"]]}
    rule = Rule(**_record(Rule, defaults, entries, where))
    if unknown := set(rule.forms) - forms.keys():
        raise ValueError(f"{where}: unknown forms {', '.join(sorted(unknown))}; known are {', '.join(forms)}")
    if not rule.forms:
        raise ValueError(f"{where}: forms is empty; known are {', '.join(forms)}")
    _check_names(rule, where)
    _check_patterns(rule, where)
    for entry in (rule.multiplier, rule.gate_multiplier):
        if not _MULTIPLIER.fullmatch(entry):
            raise ValueError(f"{where}: multiplier {entry!r} is none of key, key? and key / sqrt(key)")
    try:
        check_product(rule.product)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    return rule


def _check_names(rule: Rule, where: str) -> None:
    for component in (*rule.stacks, *rule.modules, *rule.only, *rule.expert_groups):
        if not _COMPONENT.fullmatch(component):
            raise ValueError(f"{where}: {component!r} is no name of a component: small letters, digits and _")
    names = {
        "pre_norm": (rule.pre_norm,),
        "post_norms": rule.post_norms,
        "scales": rule.scales,
        "tanh_scales": rule.tanh_scales,
        "inner_norm": (rule.inner_norm,),
    }
    for key, each in names.items():
        for name in each:
            if re.search(r"[{}]", re.sub(r"\{(module|index)\}", "", name)):
                raise ValueError(f"{where}: {key}: {name!r}: the placeholders are {{module}} and {{index}}")
    if rule.norm == "none" and rule.pre_norm:
        raise ValueError(f"{where}: norm is none, but pre_norm names {rule.pre_norm!r}; use one of them")


def _check_patterns(rule: Rule, where: str) -> None:
    patterns = {
        "stacks": rule.stacks.values(),
        "modules": rule.modules.values(),
        "beside": rule.beside,
        "left_out": rule.left_out,
    }
    for key, each in patterns.items():
        for pattern in each:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{where}: {key}: {pattern!r} is no regular expression ({error})") from error


def _record(kind: type, base: Mapping[str, Any], entries: Mapping[str, Any], where: str) -> dict[str, Any]:
    names = {_TOML_NAMES.get(field.name, field.name): field.name for field in fields(kind)}
    if unknown := entries.keys() - names.keys():
        raise ValueError(f"{where}: unknown key {', '.join(sorted(unknown))}; the keys are {', '.join(names)}")
    if missing := names.keys() - base.keys() - entries.keys():
        raise ValueError(f"{where}: {', '.join(sorted(missing))} missing; the keys are {', '.join(names)}")
    values: dict[str, Any] = {}
    for name, value in {**base, **entries}.items():
        if type(value) is not type(base[name]):
            raise ValueError(f"{where}: {name}={value!r} is not of the kind of {base[name]!r}")
        if isinstance(value, list) and not all(isinstance(each, str) for each in value):
            raise ValueError(f"{where}: {name}={value!r} is not a list of strings")
        if isinstance(value, dict) and name != "when" and not all(isinstance(each, str) for each in value.values()):
            raise ValueError(f"{where}: {name}={value!r} is not a table of strings")
        if name in _CHOICES and value not in _CHOICES[name]:
            raise ValueError(f"{where}: {name}={value!r} is none of {', '.join(map(repr, _CHOICES[name]))}")
        values[names[name]] = tuple(value) if isinstance(value, list) else value
    return values


def _toml_of(rule: Rule) -> dict[str, Any]:
    values = {field.name: getattr(rule, field.name) for field in fields(Rule)}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


@cache
def built_in_rules() -> Rules:
    """The rules that ship with the package."""
    return parse_rules("".join(map(_resource, _FILES)))


def _resource(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def load_rules(extra: str | None) -> Rules:
    """The rules that ship with the package, and those of a user's file before them.

    Raises:
        InputError: the file cannot be read, or is no file of rules.
    """
    if extra is None:
        return built_in_rules()
    try:
        return parse_rules(Path(extra).read_text(encoding="utf-8"), built_in_rules())
    except OSError as error:
        raise InputError(f"architectures.extra={extra}: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"architectures.extra={extra}: {' '.join(str(error).split())}") from error
