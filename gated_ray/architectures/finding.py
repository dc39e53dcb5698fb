"""The MLP blocks of a checkpoint, found in its tensors by rules and checked against its shapes and config."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from gated_ray.architectures.assembly import assemble
from gated_ray.architectures.blocks import Block
from gated_ray.architectures.checks import check_alike, check_experts, check_layers, check_sizes, router_of
from gated_ray.architectures.choosing import Stack, choose_stacks
from gated_ray.architectures.configuration import backbone_type, config_number, config_value, stack_config, text_config
from gated_ray.architectures.evidence import CAVEAT_BY_NAMES
from gated_ray.architectures.leftovers import left_out, unrecognised
from gated_ray.architectures.quantization.detect import stored_tensors
from gated_ray.architectures.rules import Form, Rule, load_rules
from gated_ray.architectures.stacks import Layer, Module, stacks_of, traces_of
from gated_ray.architectures.unclaimed import refuse_unclaimed, summary_of
from gated_ray.errors import CheckpointError, UnsupportedError
from gated_ray.sources.checkpoint import Checkpoint, open_origin, read_tensors
from gated_ray.sources.documents import said
from gated_ray.sources.headers import TensorRecord
from gated_ray.sources.slices import TensorSlice


@dataclass(frozen=True)
class Architecture:
    """What was understood of a checkpoint.

    Attributes:
        blocks: every MLP block of the text backbone, by stack and layer.
        model_type: of the text backbone, None where config.json states none.
        resolved_by: ``rules``, ``names`` (a model type that is not listed) or ``extra`` (the user's rules).
        left_out: stacks with MLP-like tensors that are no part of the text backbone: towers, extra prediction layers.
        caveat: what these models do besides, which no fixed vector shows; None for nothing.
    """

    blocks: tuple[Block, ...]
    model_type: str | None
    resolved_by: str
    left_out: tuple[str, ...]
    caveat: str | None


def find_blocks(checkpoint: Checkpoint, extra: str | None = None) -> list[Block]:
    """The blocks of `find_architecture`."""
    return list(find_architecture(checkpoint, extra).blocks)


def find_architecture(checkpoint: Checkpoint, extra: str | None = None) -> Architecture:
    """Every MLP block of a checkpoint's text backbone.

    Args:
        checkpoint: its config and headers are all that is looked at.
        extra: a user's file of rules.

    Raises:
        UnsupportedError: no rule fits, a rule refuses, or weights are stored in a way that is not read.
        CheckpointError: tensors missing, left over, or of shapes that disagree with each other or with config.json.
        InputError: `extra` is no file of rules.
    """
    ref, config = checkpoint.reference.text, checkpoint.config
    rules = load_rules(extra)
    tensors = stored_tensors(config, checkpoint.tensors, ref, lambda records: _read_small(checkpoint, records))
    stacks = stacks_of(tensors)
    model_type = backbone_type(config)
    family = rules.families.get(model_type or "", ())
    if refused := next((rule.refuse for rule in family if rule.refuse and _applies(rule, text_config(config))), None):
        raise UnsupportedError(f"{ref}: model_type {said(model_type)} is not supported: {refused}")
    chosen = choose_stacks(stacks, family, rules, checkpoint)
    if not chosen:
        raise UnsupportedError(f"{ref}: {unrecognised(tensors, stacks, model_type, family, rules)}")
    blocks: list[Block] = []
    for stack in chosen:
        blocks += _blocks_of_stack(stack, checkpoint, by_names=not family)
    out = left_out(tensors, stacks, chosen, blocks)
    by = "extra" if model_type in rules.own else "rules" if family else "names"
    caveat = next((rule.caveat for rule in family if rule.caveat), None) if family else CAVEAT_BY_NAMES
    return Architecture(tuple(_without_experts(blocks)), model_type, by, out, caveat)


def _read_small(checkpoint: Checkpoint, records: Sequence[TensorRecord]) -> dict[str, torch.Tensor]:
    """Whole tensors by name: bitsandbytes keeps shapes in tensors of some hundred bytes."""
    read = read_tensors(open_origin(checkpoint.location), [TensorSlice(record) for record in records])
    return {part.record.name: tensor for part, tensor in read.items()}


def _blocks_of_stack(stack: Stack, checkpoint: Checkpoint, by_names: bool) -> list[Block]:
    ref = checkpoint.reference.text
    config = stack_config(checkpoint.config, stack.name)
    rules = [rule for rule in stack.rules if _applies(rule, config)]
    if not rules:
        keys = sorted({key.removesuffix("?") for rule in stack.rules for key in rule.when})
        raise UnsupportedError(
            f"{ref}: config.json {_said(config, keys)}; the meaning of the weights depends on it, and this is not supported"
        )
    forms = list({module.form.name: module.form for each in stack.modules.values() for module in each}.values())
    layers = check_layers(stack.name, stack.layers.keys(), config, rules[0], ref)
    blocks: list[Block] = []
    for number in layers:
        layer, modules = stack.layers[number], stack.modules[number]
        where = f"{ref}: {stack.name}.{number}"
        _refuse_halves(layer, modules, forms, rules, where)
        if not modules and not rules[0].some_layers:
            raise CheckpointError(f"{where} has no MLP; tensors are missing or have other names: {summary_of(layer)}")
        of_layer = assemble(number, stack.prefix, layer, modules, rules, config, ref, where)
        check_experts(layer, modules, of_layer, config, rules[0], ref, where)
        refuse_unclaimed(layer, modules, of_layer, rules, by_names, where)
        blocks += of_layer
    uncounted = {
        number
        for number in layers
        if config_number(config, rules[0].experts, ref, number) is None
        and router_of(stack.layers[number], stack.modules[number]) is None
    }
    check_alike(blocks, uncounted, ref)
    check_sizes(blocks, config, rules[0], ref)
    return blocks


def _said(config: Mapping[str, object], keys: Sequence[str]) -> str:
    values = {key: config_value(config, (key,)) for key in keys}
    says = [f"{key}={said(value)}" for key, value in values.items() if value is not None]
    silent = [key for key, value in values.items() if value is None]
    return " and ".join([f"says {', '.join(says)}"] * bool(says) + [f"does not say {', '.join(silent)}"] * bool(silent))


def _applies(rule: Rule, config: Mapping[str, object]) -> bool:
    for key, value in rule.when.items():
        found = config_value(config, (key.removesuffix("?"),))
        if found != value and not (found is None and key.endswith("?")):
            return False
    return True


def _refuse_halves(
    layer: Layer, modules: Sequence[Module], forms: list[Form], rules: Sequence[Rule], where: str
) -> None:
    """A module that has the names of a form, but not all of them, or not in its shape, has lost something."""
    whole = {module.path for module in modules}
    beside = [re.compile(rf"(.*\.)?({pattern})") for rule in rules for pattern in rule.beside]
    for path, form, present, missing in traces_of(layer, forms):
        if path in whole or all(any(each.fullmatch(name) for each in beside) for name in present):
            continue
        if missing:
            raise CheckpointError(f"{where} has {', '.join(present)} but lacks {', '.join(missing)}")
        odd = next((name for name in present if len(layer[name].shape) != form.dimensions), present[0])
        raise CheckpointError(f"{where}: {odd} has shape {layer[odd].shape}, but {form.dimensions} dimensions are due")


def _without_experts(blocks: Sequence[Block]) -> list[Block]:
    """A shared expert without experts to share with is the layer's MLP."""
    if any(block.component.endswith("expert") and "shared" not in block.component for block in blocks):
        return list(blocks)
    return [replace(block, component=block.component.replace("shared_expert", "mlp")) for block in blocks]
