"""The rule of a model type that is not listed, from the norms of its layers and its config."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gated_ray.architectures.configuration import backbone_type, config_value, stack_config
from gated_ray.architectures.rules import Norm, Rule, Rules
from gated_ray.architectures.stacks import Layer
from gated_ray.errors import UnsupportedError
from gated_ray.sources.checkpoint import Checkpoint
from gated_ray.sources.documents import said

_RMS_KEYS = ("rms_norm_eps", "rms_norm_epsilon")

CAVEAT_BY_NAMES = "this model type is not listed: norms are taken to multiply by w, not by 1 + w"

_PLACEMENTS: dict[frozenset[str], tuple[str, tuple[str, ...]]] = {
    frozenset({"input_layernorm", "post_attention_layernorm"}): ("post_attention_layernorm", ()),
    frozenset({"input_layernorm"}): ("input_layernorm", ()),
    frozenset({"post_attention_layernorm", "post_feedforward_layernorm"}): ("", ("post_feedforward_layernorm",)),
}
"""Norms of a layer, as transformers names them, to the norm before the MLP and those after it. Four norms are left out: of
the models that have them about half multiply by 1 + w."""

_OFTEN_ONE_PLUS_W = ("hidden_activation", "query_pre_attn_scalar", "attn_logit_softcapping", "linear_conv_kernel_dim")
"""Keys of models whose forks may multiply by 1 + w, as Gemma and Qwen3-Next do."""


def rule_by_evidence(rules: Rules, layer: Layer, stack: str, number: int, checkpoint: Checkpoint) -> Rule:
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
    _refuse_hints(rules, checkpoint, config)
    placement = _PLACEMENTS.get(frozenset(norms))
    if placement is None:
        raise UnsupportedError(
            f"{ref}: model_type {said(backbone_type(checkpoint.config))} is not known and the norms of {stack}.{number} "
            f"({', '.join(sorted(norms)) or 'none'}) do not tell which precedes the MLP; describe it with architectures.extra=FILE "
            "(docs/architectures.md)"
        )
    pre, post = placement
    kind: Norm = "none"
    if pre:
        if f"{pre}.bias" in layer:
            kind = "layer"
        elif config_value(config, _RMS_KEYS) is not None and config_value(config, ("layer_norm_eps",)) is None:
            kind = "rms"
        else:
            raise UnsupportedError(
                f"{ref}: model_type {said(backbone_type(checkpoint.config))} is not known and config.json does not tell "
                f"by {' or '.join(_RMS_KEYS)} alone whether {pre} is an RMSNorm; describe it with architectures.extra=FILE "
                "(docs/architectures.md)"
            )
    return replace(
        rules.base,
        forms=("gate_proj",),
        norm=kind,
        pre_norm=f"{pre}.weight" if pre else "",
        post_norms=tuple(f"{name}.weight" for name in post),
    )


def _refuse_hints(rules: Rules, checkpoint: Checkpoint, config: Mapping[str, Any]) -> None:
    """Refuse what config.json says in the words of models that are not plain: it would be read as if it said nothing."""
    ref, model_type = checkpoint.reference.text, backbone_type(checkpoint.config)
    stated = {key: config_value(config, (key,)) for key in sorted(rules.telling_keys)}
    telling: dict[str, Any] = {
        key: value for key, value in stated.items() if isinstance(value, int | float) and value not in (0, 1)
    }
    telling |= {key: value for key, value in stated.items() if value is True}
    telling |= {key: config[key] for key in _OFTEN_ONE_PLUS_W if config.get(key) is not None}
    if "gemma" in str(model_type).lower():
        telling["model_type"] = model_type
    if telling:
        entries = ", ".join(f"{key}={said(value)}" for key, value in telling.items())
        raise UnsupportedError(
            f"{ref}: model_type {said(model_type)} is not known, and config.json says {entries}, which in other models "
            "changes what weights mean; describe it with architectures.extra=FILE (docs/architectures.md)"
        )
