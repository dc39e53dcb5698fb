"""Which scheme of a compressed-tensors config holds for which module, by the library's matching rules.

compressed_tensors quantization/lifecycle/apply.py and utils/match.py: a target is a module's name, ``re:`` and a pattern that
matches from the start of the name, or the name of a class; names go before patterns before classes. Classes cannot be seen in
a checkpoint: what is stored quantized and has no target by name is a ``Linear``.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gated_ray.architectures.quantization.evidence import Quantized
from gated_ray.sources.documents import said

_CLASS = "Linear"
_FORMATS = (
    "float-quantized",
    "int-quantized",
    "naive-quantized",
    "pack-quantized",
    "nvfp4-pack-quantized",
    "mxfp4-pack-quantized",
    "mxfp8-quantized",
)


@dataclass(frozen=True)
class Scheme:
    """How the weights of some modules are quantized (compressed_tensors QuantizationArgs)."""

    targets: tuple[str, ...]
    bits: int
    kind: str
    strategy: str
    group_size: int | None
    block: tuple[int, int] | None
    symmetric: bool
    by_index: bool


def read_schemes(checkpoint: Quantized) -> list[Scheme]:
    """The schemes of all groups that quantize weights.

    Raises:
        UnsupportedError: a sparse, transformed or unknown format.
    """
    settings = checkpoint.settings
    _refuse_others(settings, checkpoint)
    groups = settings.get("config_groups")
    if not isinstance(groups, dict) or not all(isinstance(group, dict) for group in groups.values()):
        raise checkpoint.unsupported("quantization_config has no config_groups that spell out their schemes")
    schemes = []
    for group in groups.values():
        named = group.get("format") or settings.get("format")
        if group.get("weights") is None:
            continue
        if named not in _FORMATS:
            raise checkpoint.unsupported(
                f"quantized with quant_method {said(checkpoint.method)} in format {said(named)}, not supported"
            )
        schemes.append(_scheme(group, checkpoint))
    return schemes


def scheme_of(module: str, schemes: Sequence[Scheme], checkpoint: Quantized) -> Scheme:
    """The scheme of a module that is stored quantized."""
    owners = {target: scheme for scheme in schemes for target in scheme.targets}
    for target in sorted(owners, key=lambda target: ("re:" in target, target)):
        if target == module or (target.startswith("re:") and _matches(target.removeprefix("re:"), module, checkpoint)):
            return owners[target]
    if _CLASS in owners:
        return owners[_CLASS]
    if len(schemes) == 1:
        return schemes[0]
    raise checkpoint.unsupported(f"tensors of {module} are quantized, but no target of config_groups matches it")


def _matches(pattern: str, module: str, checkpoint: Quantized) -> bool:
    try:
        return re.match(pattern, module) is not None
    except re.error as error:
        raise checkpoint.broken(
            f"quantization_config has target {said(pattern)}, which is no pattern ({error})"
        ) from error


def _refuse_others(settings: Mapping[str, Any], checkpoint: Quantized) -> None:
    sparsity = _object(settings, "sparsity_config", checkpoint)
    if sparsity and sparsity.get("format", "dense") != "dense":
        raise checkpoint.unsupported(f"stored sparse in format {said(sparsity.get('format'))}, not supported")
    for key in ("transform_config", "moe_sparsity_config"):
        value = _object(settings, key, checkpoint)
        if value and value.get("config_groups", True):
            raise checkpoint.unsupported(f"quantization_config has a {key}, which changes the model, not supported")


def _object(settings: Mapping[str, Any], key: str, checkpoint: Quantized) -> Mapping[str, Any]:
    value = settings.get(key) or {}
    if not isinstance(value, dict):
        raise checkpoint.broken(f"quantization_config has {key}={said(value)}; not an object")
    return value


def _scheme(group: Mapping[str, Any], checkpoint: Quantized) -> Scheme:
    weights, targets = group["weights"], group.get("targets") or []
    is_list = isinstance(targets, list) and all(isinstance(target, str) for target in targets)
    if not isinstance(weights, dict) or not is_list:
        raise checkpoint.broken("quantization_config has a group whose weights or targets are not spelled out")
    size, strategy = weights.get("group_size"), weights.get("strategy")
    if size is not None and (not isinstance(size, int) or isinstance(size, bool)):
        raise checkpoint.broken(f"quantization_config has group_size={said(size)}; not a number")
    bits, kind = weights.get("num_bits", 8), weights.get("type", "int")
    if not isinstance(bits, int) or isinstance(bits, bool) or kind not in ("int", "float"):
        raise checkpoint.broken(
            f"quantization_config has num_bits={said(bits)}, type={said(kind)}; not a kind of number"
        )
    if strategy is None:
        strategy = "tensor" if size is None else "channel" if size == -1 else "group"
    return Scheme(
        targets=tuple(targets),
        bits=bits,
        kind=kind,
        strategy=strategy,
        group_size=size,
        block=_block(weights.get("block_structure"), checkpoint),
        symmetric=weights.get("symmetric", True),
        by_index=weights.get("actorder") in ("group", "dynamic", True),
    )


def _block(structure: Any, checkpoint: Quantized) -> tuple[int, int] | None:
    if isinstance(structure, str):
        structure = [int(size) for size in structure.split("x") if size.isdigit()]
    match structure:
        case None:
            return None
        case [int(rows), int(columns)] if rows > 0 and columns > 0:
            return rows, columns
    raise checkpoint.broken(f"quantization_config has block_structure={said(structure)}; not two sizes")
