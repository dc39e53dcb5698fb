"""The blocks of one layer, from its modules and the rules that apply."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from gated_ray.architectures.biases import block_biases
from gated_ray.architectures.blocks import Block
from gated_ray.architectures.configuration import config_value
from gated_ray.architectures.factors import block_factors, multiplier
from gated_ray.architectures.matrices import Matrices, matrices_of
from gated_ray.architectures.products import product_of
from gated_ray.architectures.rules import Rule
from gated_ray.architectures.stacks import Layer, Module
from gated_ray.errors import CheckpointError, UnsupportedError


def assemble(
    number: int,
    prefix: str,
    layer: Layer,
    modules: Sequence[Module],
    rules: Sequence[Rule],
    config: Mapping[str, Any],
    ref: str,
    where: str,
) -> list[Block]:
    """The blocks of one layer, by component and expert.

    Args:
        number: of the layer within its stack.
        prefix: what goes before the components of the stack.
        layer: its tensors.
        modules: those that hold blocks.
        rules: that apply to the model; for each block the first counts whose norms the layer has.
        config: of the stack.
        ref: the checkpoint, for messages.
        where: checkpoint and layer, likewise.

    Raises:
        CheckpointError, UnsupportedError: shapes, dtypes or names that no rule accounts for.
    """
    owners: dict[str, Module] = {}
    for module in modules:
        for name in module.names:
            if name in owners:
                raise UnsupportedError(
                    f"{where}: {name} could be read in two ways ({owners[name].form.name}, {module.form.name})"
                )
            owners[name] = module
    blocks: list[Block] = []
    for module in sorted(modules, key=lambda each: (each.experts, each.expert or 0)):
        stacked = config_value(config, rules[0].d_expert)
        found = matrices_of(module, layer, stacked if isinstance(stacked, int) else None, ref)
        component = prefix + _component(module, found, rules[0])
        rule = _fitting(component, module, layer, rules, where)
        blocks += [_block(number, component, module, each, layer, rule, config, ref) for each in found]
    blocks = _grouped(blocks, rules[0].expert_groups, prefix, where)
    _refuse_twins(blocks, where)
    return blocks


def _grouped(blocks: list[Block], groups: Sequence[str], prefix: str, where: str) -> list[Block]:
    """Experts of several kinds that are numbered as one list, each kind an equal share of it."""
    experts = [block for block in blocks if block.component == f"{prefix}expert"]
    if len(groups) == 1 or not experts:
        return blocks
    share, rest = divmod(len(experts), len(groups))
    if rest:
        raise CheckpointError(f"{where} has {len(experts)} experts, which {' and '.join(groups)} cannot share")
    return [
        replace(block, component=prefix + groups[block.expert // share], expert=block.expert % share)
        if block.component == f"{prefix}expert" and block.expert is not None
        else block
        for block in blocks
    ]


def _component(module: Module, found: Sequence[Matrices], rule: Rule) -> str:
    for component, pattern in rule.modules.items():
        if re.search(pattern, module.path):
            return component
    if "share" in module.path:
        return "shared_expert"
    if found[0].expert is not None:
        return "expert"
    return f"mlp_{module.index}" if module.index and "mlps" in module.path else "mlp"


def _fitting(component: str, module: Module, layer: Layer, rules: Sequence[Rule], where: str) -> Rule:
    missing: list[str] = []
    for rule in rules:
        if module.form.name not in rule.forms or (rule.only and component not in rule.only):
            continue
        lacks = [name for name in norm_names(rule, module) if name not in layer]
        if not lacks:
            return rule
        missing += lacks
    if missing:
        raise CheckpointError(f"{where} lacks {' or '.join(dict.fromkeys(missing))}")
    raise UnsupportedError(f"{where}: {module.path} would be a {component}, which models of this type do not have")


def norm_names(rule: Rule, module: Module) -> list[str]:
    """Names, relative to the layer, of the norms and scales that a rule asks for."""
    names = (rule.pre_norm, *rule.post_norms, *rule.scales, *rule.tanh_scales, rule.inner_norm)
    return [module.named(name) for name in names if name]


def _block(
    number: int,
    component: str,
    module: Module,
    found: Matrices,
    layer: Layer,
    rule: Rule,
    config: Mapping[str, Any],
    ref: str,
) -> Block:
    pre_norm, write, inner_norm = block_factors(rule, module, found, layer, ref)
    activation = config_value(config, rule.activation)
    return Block(
        layer=number,
        component=component,
        expert=found.expert,
        gate=found.gate,
        w_in=found.w_in,
        w_out=found.w_out,
        norm=rule.norm,
        pre_norm=pre_norm,
        write=write,
        inner_norm=inner_norm,
        multiplier=multiplier(rule.multiplier, config, ref),
        gate_multiplier=multiplier(rule.gate_multiplier, config, ref),
        activation=activation if isinstance(activation, str) else rule.activation_name or None,
        product=product_of(rule.product, config, number, ref),
        biases=block_biases(module, found, rule.norm, module.named(rule.pre_norm), layer, ref),
    )


def _refuse_twins(blocks: Sequence[Block], where: str) -> None:
    seen: dict[tuple[str, int | None], Block] = {}
    for block in blocks:
        twin = seen.setdefault((block.component, block.expert), block)
        if twin is not block:
            raise UnsupportedError(
                f"{where}: {twin.w_in.name} and {block.w_in.name} are both {block.component}; which of them is meant is not known"
            )
