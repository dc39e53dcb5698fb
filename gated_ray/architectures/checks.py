"""What was found held against what config.json says of numbers and sizes."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from gated_ray.architectures.blocks import Block
from gated_ray.architectures.configuration import config_key, config_number, config_value
from gated_ray.architectures.rules import Rule
from gated_ray.architectures.stacks import Layer, Module
from gated_ray.errors import CheckpointError

_EXTRA_LAYERS = ("num_nextn_predict_layers", "num_mtp_layers", "mtp_num_hidden_layers")
"""Keys of layers for multi-token prediction, which are stored after the backbone's."""

_ROUTERS = ("gate.weight", "router.weight", "gate.wg.weight", "router.layer.weight")


def check_layers(stack: str, found: Collection[int], config: Mapping[str, Any], rule: Rule, ref: str) -> range:
    """The numbers of the stack's layers; further ones for multi-token prediction are no part of it.

    Raises:
        CheckpointError: a layer is missing, or there are more than config.json says.
    """
    said = config_number(config, rule.layers, ref)
    layers = max(found) + 1 if said is None else said
    says = f"there is a layer {layers - 1}"
    if said is not None:
        says = f"config.json says {config_key(config, rule.layers)}={said}"
    missing = next((number for number in range(layers) if number not in found), None)
    if layers < 1:
        raise CheckpointError(f"{ref}: {says}")
    if missing is not None:
        raise CheckpointError(f"{ref}: {says}, but {stack}.{missing} is missing")
    beyond = sorted(number for number in found if number >= layers)
    if len(beyond) > (config_number(config, _EXTRA_LAYERS, ref) or 0):
        raise CheckpointError(f"{ref}: {says}, but there are tensors of {stack}.{beyond[-1]}")
    return range(layers)


def check_experts(
    layer: Layer,
    modules: Sequence[Module],
    blocks: Sequence[Block],
    config: Mapping[str, Any],
    rule: Rule,
    ref: str,
    where: str,
) -> None:
    """Raise CheckpointError where an expert of a layer is missing, or there are more or fewer than config or router say."""
    experts: defaultdict[str, dict[int, Block]] = defaultdict(dict)
    for block in blocks:
        if block.expert is not None:
            experts[block.component][block.expert] = block
    routed = {name: each for name, each in experts.items() if not name.endswith("shared_expert")}
    router = router_of(layer, modules)
    if router and not routed:
        raise CheckpointError(f"{where} has a router, {router[0]}, but no experts")
    for component, found in experts.items():
        expected, why = len(found), ""
        if component in routed and rule.experts:
            said = config_number(config, rule.experts, ref, blocks[0].layer)
            if said is not None:
                expected, why = said, f"config.json says {config_key(config, rule.experts)}={said}"
            elif router:
                expected, why = router[1], f"{router[0]} chooses among {router[1]}"
        missing = next((number for number in range(expected) if number not in found), None)
        if missing is not None or len(found) > expected:
            but = f", but {why}" if why else ""
            lacks = f"; expert {missing} of {expected} is missing" if missing is not None else ""
            raise CheckpointError(f"{where} has {len(found)} experts{but}{lacks}")
        width = Counter(block.neurons for block in found.values()).most_common(1)[0][0]
        for block in found.values():
            if block.neurons != width:
                raise CheckpointError(
                    f"{where}: {block.w_in.name} has {block.neurons} neurons, the layer's other experts {width}"
                )


def router_of(layer: Layer, modules: Sequence[Module]) -> tuple[str, int] | None:
    """Name and rows of what chooses among a layer's experts."""
    holders = {module.holder for module in modules}
    for name in (holder + router for holder in holders for router in _ROUTERS):
        if (
            name in layer
            and len(layer[name].shape) == 2
            and name not in {n for module in modules for n in module.names}
        ):
            return name, layer[name].shape[0]
    return None


def check_alike(blocks: Sequence[Block], uncounted: Collection[int], ref: str) -> None:
    """Raise CheckpointError where a layer has fewer experts than others, and neither config nor router says how many.

    Args:
        blocks: of the stack.
        uncounted: layers of which nothing says it.
        ref: the checkpoint, for messages.
    """
    counts: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for block in blocks:
        if block.expert is not None:
            counts[block.component][block.layer] += 1
    for component, by_layer in counts.items():
        most = max(by_layer.values())
        for layer, count in sorted(by_layer.items()):
            if layer in uncounted and count < most:
                raise CheckpointError(
                    f"{ref}: layers.{layer} has {count} blocks that are {component}, other layers {most}"
                )


def check_sizes(blocks: Sequence[Block], config: Mapping[str, Any], rule: Rule, ref: str) -> None:
    """Raise CheckpointError where config.json states another width than the tensors have, or nothing tells which is which."""
    width = Counter(block.d_model for block in blocks).most_common(1)[0][0]
    if config_value(config, rule.d_model) is None and not any(block.factors for block in blocks):
        keys = " or ".join(rule.d_model)
        raise CheckpointError(f"{ref}: nothing tells the width of the model from its neurons: config.json lacks {keys}")
    for block in blocks:
        name = block.w_in.name
        if block.d_model != width:
            raise CheckpointError(f"{ref}: {name} is {block.d_model} wide, other blocks {width}")
        for of_size, value in ((rule.d_model, block.d_model), (_neuron_keys(block, rule), block.neurons)):
            said = config_number(config, of_size, ref, block.layer)
            if said is not None and said != value:
                says = f"config.json says {config_key(config, of_size)}={said}"
                raise CheckpointError(f"{ref}: {says}, but {name} has {value} (shape {block.w_in.stored.shape})")


def _neuron_keys(block: Block, rule: Rule) -> tuple[str, ...]:
    if block.component.endswith("mlp"):
        return rule.d_mlp
    return rule.d_expert if block.component.endswith("expert") and "shared" not in block.component else ()
