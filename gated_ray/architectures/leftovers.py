"""What of a checkpoint is no block of the text backbone, said so that nothing is a silent gap."""

from collections.abc import Mapping, Sequence

from gated_ray.architectures.blocks import Block
from gated_ray.architectures.choosing import HOW_TO_DESCRIBE, Stack, forms_of
from gated_ray.architectures.rules import Rule, Rules
from gated_ray.architectures.stacks import Layer, stack_of
from gated_ray.architectures.stored import StoredTensor
from gated_ray.architectures.unclaimed import mlp_like
from gated_ray.sources.documents import said

_MOST_NAMED = 6


def left_out(
    tensors: Mapping[str, StoredTensor],
    stacks: Mapping[str, Mapping[int, Layer]],
    chosen: Sequence[Stack],
    blocks: Sequence[Block],
) -> tuple[str, ...]:
    """Stacks, layers of the chosen ones, and modules outside layers, that have MLP-like tensors and no blocks."""
    names = {stack.name for stack in chosen}
    out = [name for name, layers in stacks.items() if name not in names and any(map(mlp_like, layers.values()))]
    for stack in chosen:
        beyond = sorted(stack.layers.keys() - {block.layer for block in blocks})
        out += [f"{stack.name}.{number}" for number in beyond if mlp_like(stack.layers[number])]
    outside = {name: tensor for name, tensor in tensors.items() if stack_of(name) is None}
    out += {name.rpartition(".")[0].rpartition(".")[0] for name in mlp_like(outside)}
    return tuple(sorted(set(out)))


def unrecognised(
    tensors: Mapping[str, StoredTensor],
    stacks: Mapping[str, Mapping[int, Layer]],
    model_type: str | None,
    family: tuple[Rule, ...],
    rules: Rules,
) -> str:
    """Why no block was found: what was looked for, what MLP-like tensors there are, and how to describe them."""
    named = said(model_type) if model_type else "none"
    known = f"is not known and no layer has a plain {'/'.join(rules.forms['gate_proj'].names)}"
    if family:
        known = f"should have {' or '.join('/'.join(form.names) for form in forms_of(family, rules))} in every layer, and has not"
    outside = {name: tensor for name, tensor in tensors.items() if stack_of(name) is None}
    seen = mlp_like(outside) + sorted(
        {
            f"{stack}.N.{summary}"
            for stack, layers in stacks.items()
            for layer in layers.values()
            for summary in mlp_like(layer)
        }
    )
    if not seen:
        return f"model_type {named}: {known}; there are no MLP-like tensors at all"
    more = f" and {len(seen) - _MOST_NAMED} more" if len(seen) > _MOST_NAMED else ""
    return f"model_type {named} {known}; MLP-like tensors are {', '.join(seen[:_MOST_NAMED])}{more}: {HOW_TO_DESCRIBE}"
