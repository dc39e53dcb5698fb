"""The quantization config of a model, wherever config.json has it."""

from collections.abc import Mapping
from typing import Any

from gated_ray.architectures.configuration import nested_configs
from gated_ray.errors import CheckpointError, UnsupportedError
from gated_ray.sources.documents import said

_KEYS = ("quantization_config", "compression_config")


def quantization_settings(config: Mapping[str, Any], ref: str) -> Mapping[str, Any] | None:
    """The one quantization config, its quant_method filled in; None without one.

    Raises:
        UnsupportedError: it names no quant_method, or there are several that differ.
        CheckpointError: it is no object.
    """
    found = [place[key] for place in nested_configs(config) for key in _KEYS if place.get(key)]
    if not found:
        return None
    if any(other != found[0] for other in found):
        raise UnsupportedError(f"{ref}: config.json has several quantization configs that differ; which is meant?")
    if not isinstance(found[0], dict):
        raise CheckpointError(f"{ref}: config.json has quantization_config={said(found[0])}; not an object")
    return found[0] | {"quant_method": _method(found[0], ref)}


def _method(settings: Mapping[str, Any], ref: str) -> str:
    if settings.get("load_in_4bit") or settings.get("load_in_8bit"):
        return "bitsandbytes"
    method = settings.get("quant_method")
    if method and not isinstance(method, str):
        raise CheckpointError(f"{ref}: quantization_config has quant_method={said(method)}; not a name")
    if method:
        return str(method)
    raise UnsupportedError(
        f"{ref}: config.json has a quantization_config without quant_method; use the unquantized model"
    )
