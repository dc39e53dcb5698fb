"""What config.json says of the text backbone."""

from collections.abc import Mapping
from typing import Any

from gated_ray.errors import CheckpointError
from gated_ray.sources.documents import said

_NESTED = (
    "vlm_config",
    "thinker_config",
    "text_config",
    "language_config",
    "llm_config",
    "llm",
    "text_model",
    "language_model",
)


def nested_configs(config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The config and those of the text backbone within it, outermost first."""
    found = [config]
    while inner := next((found[-1][key] for key in _NESTED if isinstance(found[-1].get(key), dict)), None):
        found.append(inner)
    return found


def text_config(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The innermost config of the text backbone; the config itself where nothing is nested."""
    return nested_configs(config)[-1]


def backbone_type(config: Mapping[str, Any]) -> str | None:
    """The model type of the text backbone: the innermost that is stated, else the name of the model's class, else None."""
    stated = [each.get("model_type") for each in nested_configs(config)]
    classes = config.get("architectures") or [config.get("_class_name")]
    named = classes[0] if isinstance(classes, list) else None
    return next((each for each in (*reversed(stated), named) if isinstance(each, str) and each), None)


def stack_config(config: Mapping[str, Any], stack: str) -> Mapping[str, Any]:
    """The config of one stack: of an encoder or decoder that has its own, else of the text backbone."""
    for name in ("encoder", "decoder"):
        if name in stack.split(".") and isinstance(config.get(name), dict):
            return text_config(config[name])
    return text_config(config)


def config_value(config: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    """The value of the first key that is present and not null; ``a.b`` looks in a nested config or, by number, in a list."""
    for key in keys:
        value: Any = config
        for part in key.split("."):
            if isinstance(value, Mapping):
                value = value.get(part)
            elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
                value = value[int(part)]
            else:
                value = None
        if value is not None:
            return value
    return None


def config_key(config: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    """The first of these keys that is present."""
    return next(key for key in keys if config_value(config, (key,)) is not None)


def config_number(config: Mapping[str, Any], keys: tuple[str, ...], ref: str, layer: int | None = None) -> int | None:
    """The whole number under the first of these keys that is present.

    Args:
        config: of the stack.
        keys: to try.
        ref: the checkpoint, for messages.
        layer: whose entry counts where there is a list of one number a layer.

    Returns:
        None where no key is present, or it holds a list of something else.

    Raises:
        CheckpointError: a value that is no whole number, or a negative one.
    """
    value = config_value(config, keys)
    if isinstance(value, list):
        value = value[layer] if layer is not None and layer < len(value) else None
        return value if isinstance(value, int) and not isinstance(value, bool) else None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise CheckpointError(
            f"{ref}: config.json says {config_key(config, keys)}={said(value)}, which is no whole number"
        )
    if value is not None and value < 0:
        raise CheckpointError(
            f"{ref}: config.json says {config_key(config, keys)}={said(value)}, which is less than nothing"
        )
    return value
