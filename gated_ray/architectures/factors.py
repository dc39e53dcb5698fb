"""Norm gains, scales and constant factors of a block."""

import math
from collections.abc import Mapping
from typing import Any

from gated_ray.architectures.blocks import Factor
from gated_ray.architectures.configuration import config_value
from gated_ray.architectures.matrices import Matrices, check_float
from gated_ray.architectures.rules import Rule
from gated_ray.architectures.stacks import Layer, Module
from gated_ray.errors import CheckpointError, UnsupportedError
from gated_ray.sources.documents import said
from gated_ray.sources.headers import TensorRecord


def block_factors(
    rule: Rule, module: Module, found: Matrices, layer: Layer, ref: str
) -> tuple[Factor | None, tuple[Factor, ...], Factor | None]:
    """Gain of the norm before, factors of the output, gain of the norm over neurons.

    Raises:
        CheckpointError: a shape that does not fit the block.
    """

    def record(name: str, length: int, or_one: bool = False) -> TensorRecord:
        stored = layer[module.named(name)]
        found_record = stored.parts["weight"] if stored.codec is None else None
        if found_record is None:
            raise UnsupportedError(f"{ref}: {stored.name} is quantized, which a norm is not")
        check_float(found_record, ref)
        size = math.prod(found_record.shape)
        if not (size == max(found_record.shape, default=1) == length or (or_one and size == 1)):
            raise CheckpointError(f"{ref}: {stored.name} has shape {found_record.shape}, but the block needs {length}")
        return found_record

    d_model, neurons = found.w_in.d_model, found.w_in.neurons
    write = [Factor(record(name, d_model), rule.gain) for name in rule.post_norms]
    write += [Factor(record(name, d_model, or_one=True)) for name in rule.scales]
    write += [Factor(record(name, d_model, or_one=True), "tanh") for name in rule.tanh_scales]
    return (
        Factor(record(rule.pre_norm, d_model), rule.gain) if rule.pre_norm else None,
        tuple(write),
        Factor(record(rule.inner_norm, neurons), rule.gain) if rule.inner_norm else None,
    )


def multiplier(entry: str, config: Mapping[str, Any], ref: str) -> float:
    """The constant factor that config.json states.

    Args:
        entry: ``key`` (`a.0` for an item of a list), ``key / sqrt(key)``, or empty for 1; ``key?`` is 1 where it is absent.

    Raises:
        CheckpointError: not a positive number.
    """
    if not entry:
        return 1.0
    values = []
    for part in entry.removesuffix(")").split(" / sqrt("):
        key = part.removesuffix("?")
        value = config_value(config, (key,))
        if value is None and part.endswith("?"):
            return 1.0
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value) or value <= 0:
            raise CheckpointError(f"{ref}: config.json says {key}={said(value)}; a factor is a positive number")
        values.append(value)
    return float(values[0]) / math.sqrt(values[1]) if len(values) == 2 else float(values[0])
