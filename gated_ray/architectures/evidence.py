"""The rule of a model type that is not listed, from the norms of its layers and its config."""

from dataclasses import replace

from gated_ray.architectures.configuration import backbone_type, config_value, stack_config
from gated_ray.architectures.rules import Norm, Rule
from gated_ray.architectures.stacks import Layer
from gated_ray.errors import UnsupportedError
from gated_ray.sources.checkpoint import Checkpoint

_RMS_KEYS = ("rms_norm_eps", "rms_norm_epsilon")

CAVEAT_BY_NAMES = "this model type is not listed: norms are taken to multiply by w, not by 1 + w"

_PLACEMENTS: dict[frozenset[str], tuple[str, tuple[str, ...]]] = {
    frozenset({"input_layernorm", "post_attention_layernorm"}): ("post_attention_layernorm", ()),
    frozenset({"input_layernorm"}): ("input_layernorm", ()),
    frozenset({"post_attention_layernorm", "post_feedforward_layernorm"}): ("", ("post_feedforward_layernorm",)),
    frozenset(
        {"input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm"}
    ): ("pre_feedforward_layernorm", ("post_feedforward_layernorm",)),
}
"""Norms of a layer, as transformers names them, to the norm before the MLP and those after it."""


def rule_by_evidence(base: Rule, layer: Layer, stack: str, number: int, checkpoint: Checkpoint) -> Rule:
    """The rule for plain gate_proj, up_proj and down_proj under a model type that nobody listed.

    The names of the norms tell where they stand, a bias or the config's key tells their kind. That they multiply by w and
    not by 1 + w cannot be seen from names: it is taken to be so, as in most, and recorded as resolved by names.

    Raises:
        UnsupportedError: norms that are not understood.
    """
    ref = checkpoint.reference.text
    config = stack_config(checkpoint.config, stack)
    norms = {
        rest.removesuffix(".weight")
        for rest in layer
        if rest.count(".") == 1 and rest.endswith(".weight") and len(layer[rest].shape) == 1
    }
    placement = _PLACEMENTS.get(frozenset(norms))
    if placement is None:
        raise UnsupportedError(
            f"{ref}: model_type {backbone_type(checkpoint.config)!r} is not known and the norms of {stack}.{number} "
            f"({', '.join(sorted(norms)) or 'none'}) do not tell which precedes the MLP; describe it with architectures.extra=FILE "
            "(docs/architectures.md)"
        )
    pre, post = placement
    kind: Norm = "none"
    if pre:
        if f"{pre}.bias" in layer:
            kind = "layer"
        elif config_value(config, _RMS_KEYS) is not None:
            kind = "rms"
        else:
            raise UnsupportedError(
                f"{ref}: model_type {backbone_type(checkpoint.config)!r} is not known and config.json has no "
                f"{' or '.join(_RMS_KEYS)} to tell whether {pre} is an RMSNorm; describe it with architectures.extra=FILE "
                "(docs/architectures.md)"
            )
    return replace(
        base,
        forms=("gate_proj",),
        norm=kind,
        pre_norm=f"{pre}.weight" if pre else "",
        post_norms=tuple(f"{name}.weight" for name in post),
    )
