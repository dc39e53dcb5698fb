"""Shrinks the default config of any model type of transformers to a few thousand parameters, key by key."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from functools import reduce
from typing import Any

from transformers import CONFIG_MAPPING, PreTrainedConfig

from tests.conformance.tiny_sizes import FIRST_SPECIAL_TOKEN, LAYERS, TEXT, TOWER, VOCABULARY

_HEAD_DIM_OF_LATENT_ATTENTION = 8

_LAYER_LISTS = ("layer_types", "mlp_layer_types", "indexer_types", "layers_block_type")
"""One word a layer: cut so that every kind of layer stays."""

_TEXT_PARTS = (
    "text_config",
    "thinker_config",
    "global_config",
    "encoder",
    "decoder",
    "vlm_config",
    "ffn_config",
    "attn_config",
)
"""Parts that belong to the text backbone; the others are towers."""

_NO_PER_LAYER_INPUT = {"hidden_size_per_layer_input": 0, "vocab_size_per_layer_input": 0}
_NEEDED_FOR_THE_DEFAULT: dict[str, Any] = {
    "gemma4_assistant": {"text_config": {"model_type": "gemma4_text", "num_kv_shared_layers": 30} | _NO_PER_LAYER_INPUT}
}
"""Keys without which even the default config of the type is refused."""


def tiny_config(model_type: str, overrides: dict[str, Any]) -> PreTrainedConfig:
    """The config of that type with every size cut, then `overrides` (nested as the config's parts are) laid over it."""
    config_class = CONFIG_MAPPING[model_type]
    default = config_class(**_NEEDED_FOR_THE_DEFAULT.get(model_type, {}))
    return config_class(**merged(_shrunk(default, is_text=True), overrides))


@contextmanager
def unchecked(config: PreTrainedConfig, attributes: dict[str, Any]) -> Iterator[None]:
    """The config with attributes that its own checks refuse (dots lead into its parts), put back afterwards."""
    before = []
    for path, value in attributes.items():
        *parts, key = path.split(".")
        owner = vars(reduce(getattr, parts, config))
        before.append((owner, key, owner[key]))
        owner[key] = value
    try:
        yield
    finally:
        for owner, key, value in before:
            owner[key] = value


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`base` with the keys of `over`, dictionaries merged all the way down."""
    result = dict(base)
    for key, value in over.items():
        inner = result.get(key)
        result[key] = merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return result


def _shrunk(config: PreTrainedConfig, *, is_text: bool) -> dict[str, Any]:
    rules = TEXT if is_text else TOWER
    small: dict[str, Any] = {}
    for field in fields(type(config)):
        key = field.name
        value = _global_value(config, key)
        if isinstance(value, PreTrainedConfig):
            part_is_text = is_text and key in _TEXT_PARTS
            small[key] = {"model_type": value.model_type} | _shrunk(value, is_text=part_is_text)
        elif key == "head_dim" and is_text:
            small[key] = _HEAD_DIM_OF_LATENT_ATTENTION if hasattr(config, "qk_rope_head_dim") else rules[key]
        elif key == "num_key_value_heads" and is_text and hasattr(config, "qk_rope_head_dim"):
            small[key] = rules["num_attention_heads"]
        elif value is None or isinstance(value, bool):
            continue
        elif key in _LAYER_LISTS:
            small[key] = _every_kind(value, LAYERS if is_text else 1)
        elif key in rules and isinstance(value, int | float | list | tuple):
            small[key] = rules[key]
        elif _is_token(key):
            small[key] = _token_ids(key, value)
    _fit_rope_sections(small, getattr(config, "rope_parameters", None))
    return small


def _fit_rope_sections(small: dict[str, Any], rope: dict[str, Any] | None) -> None:
    """Multimodal rotary sections sum to half the rotary width."""
    if not rope or "mrope_section" not in rope:
        return
    head_dim = small.get("head_dim") or small["hidden_size"] // small["num_attention_heads"]
    half = int(head_dim * (rope.get("partial_rotary_factor") or 1.0)) // 2
    count = len(rope["mrope_section"])
    sections = [half // count + (position < half % count) for position in range(count)]
    small["rope_parameters"] = rope | {"mrope_section": sections}


def _global_value(config: PreTrainedConfig, key: str) -> Any:
    """The value of a key that single layers may override, as any other."""
    read = getattr(config, "_getattr_without_heterogeneous_validation", None)
    return read(key) if read is not None else getattr(config, key, None)


def _every_kind(words: list[str], count: int) -> list[str]:
    kinds = list(dict.fromkeys(words))
    return (kinds + [kinds[-1]] * count)[:count]


def _is_token(key: str) -> bool:
    return key.endswith(("token_id", "token_index", "_id", "token_ids"))


_COMMON_TOKENS = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2, "decoder_start_token_id": 2}


def _token_ids(key: str, value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [FIRST_SPECIAL_TOKEN + position for position in range(len(value))]
    return _COMMON_TOKENS.get(key, FIRST_SPECIAL_TOKEN + sum(key.encode()) % (VOCABULARY - FIRST_SPECIAL_TOKEN))
