"""Which stacks of layers are the text backbone's, and the rules that speak of each."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gated_ray.architectures.configuration import config_number, stack_config
from gated_ray.architectures.evidence import rule_by_evidence
from gated_ray.architectures.rules import Form, Rule, Rules
from gated_ray.architectures.stacks import Layer, Module, modules_of
from gated_ray.errors import CheckpointError, UnsupportedError
from gated_ray.sources.checkpoint import Checkpoint

HOW_TO_DESCRIBE = "describe them in a file of rules and give architectures.extra=FILE (docs/architectures.md)"


@dataclass(frozen=True)
class Stack:
    """One stack of layers that holds blocks.

    Attributes:
        name: what precedes the layers' numbers in the names of tensors.
        prefix: what goes before the names of its components.
        rules: that speak of it.
        layers: tensors by layer.
        modules: of each layer, those that hold blocks.
    """

    name: str
    prefix: str
    rules: tuple[Rule, ...]
    layers: Mapping[int, Layer]
    modules: Mapping[int, Sequence[Module]]


def choose_stacks(
    stacks: Mapping[str, Mapping[int, Layer]], family: tuple[Rule, ...], rules: Rules, checkpoint: Checkpoint
) -> list[Stack]:
    """The stacks of the text backbone, each with its rules; none where no layer has a form of the rules.

    Args:
        stacks: of the checkpoint.
        family: rules of its model type; none where that is not listed, and the names of norms must tell.
        rules: all that is known.
        checkpoint: for its config.

    Raises:
        UnsupportedError: several stacks, of which nothing says which is meant; norms that are not understood.
    """
    found: list[Stack] = []
    base = family or (rules.base,)
    for name in sorted(stacks, key=lambda each: (_rank(each, base), each)):
        if any(re.search(pattern, part) for pattern in base[0].left_out for part in name.split(".")):
            continue
        prefix, of_stack = _of_stack(name, base)
        if not of_stack:
            continue
        forms = forms_of(of_stack, rules) if family else [rules.forms["gate_proj"]]
        modules = {layer: list(modules_of(tensors, forms)) for layer, tensors in stacks[name].items()}
        if any(modules.values()):
            found.append(Stack(name, prefix, of_stack, stacks[name], modules))
    if len(found) > 1 and not any(rule.stacks for rule in base):
        found = _by_size(found, checkpoint)
    if checkpoint.config.get("is_encoder_decoder") is True and not _is_encoder(checkpoint):
        _refuse_half(found, base, checkpoint)
    if not family:
        found = [_with_evidence(stack, rules, checkpoint) for stack in found]
    return found


def _rank(stack: str, family: tuple[Rule, ...]) -> int:
    """Stacks in the order in which the rules name them."""
    patterns = [pattern for rule in family for pattern in rule.stacks.values()]
    return next((index for index, pattern in enumerate(patterns) if re.search(pattern, stack)), len(patterns))


def _of_stack(name: str, family: tuple[Rule, ...]) -> tuple[str, tuple[Rule, ...]]:
    """What goes before the components of a stack, and the rules that speak of it; no rules where none does."""
    if not any(rule.stacks for rule in family):
        return "", family
    fitting = [(prefix, rule) for rule in family for prefix, pattern in rule.stacks.items() if re.search(pattern, name)]
    return (fitting[0][0], tuple(rule for _, rule in fitting)) if fitting else ("", ())


def forms_of(family: Sequence[Rule], rules: Rules) -> list[Form]:
    """The forms that any of the rules allows."""
    return [rules.forms[name] for name in dict.fromkeys(name for rule in family for name in rule.forms)]


def _by_size(found: list[Stack], checkpoint: Checkpoint) -> list[Stack]:
    """Of several stacks the one whose number of layers is the config's."""
    ref, config = checkpoint.reference.text, checkpoint.config
    fitting = [
        stack
        for stack in found
        if config_number(stack_config(config, stack.name), stack.rules[0].layers, ref) == len(stack.layers)
    ]
    if len(fitting) != 1:
        raise UnsupportedError(
            f"{ref}: layers under several names ({', '.join(stack.name for stack in found)}); "
            f"to say which are the text backbone's, {HOW_TO_DESCRIBE}"
        )
    return fitting


def _is_encoder(checkpoint: Checkpoint) -> bool:
    """Whether the checkpoint was saved from the encoder of a model alone, which leaves is_encoder_decoder as it was."""
    classes = checkpoint.config.get("architectures")
    return isinstance(classes, list) and bool(classes) and str(classes[0]).endswith("EncoderModel")


def _refuse_half(found: list[Stack], family: tuple[Rule, ...], checkpoint: Checkpoint) -> None:
    """Of an encoder-decoder both stacks must be there."""
    expected = {prefix for rule in family for prefix in rule.stacks if prefix in ("encoder_", "decoder_")}
    if missing := sorted(expected - {stack.prefix for stack in found}):
        raise CheckpointError(
            f"{checkpoint.reference.text}: config.json says is_encoder_decoder, but there is no {missing[0].rstrip('_')}"
        )


def _with_evidence(stack: Stack, rules: Rules, checkpoint: Checkpoint) -> Stack:
    """The stack with the one rule that all its layers tell."""
    numbers = sorted(number for number, modules in stack.modules.items() if modules)
    found = [rule_by_evidence(rules, stack.layers[number], stack.name, number, checkpoint) for number in numbers]
    for number, rule in zip(numbers, found, strict=True):
        if rule != found[0]:
            raise UnsupportedError(
                f"{checkpoint.reference.text}: the norms of {stack.name}.{number} ({_told(rule)}) are not those of "
                f"{stack.name}.{numbers[0]} ({_told(found[0])}), and the model type is not listed; {HOW_TO_DESCRIBE}"
            )
    return replace(stack, rules=(found[0],))


def _told(rule: Rule) -> str:
    return f"before the MLP {rule.norm} {rule.pre_norm}, after it {' '.join(rule.post_norms) or 'none'}"
