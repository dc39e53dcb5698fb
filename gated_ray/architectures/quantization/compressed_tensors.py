"""compressed-tensors (llm-compressor): FP8, int8, packed integers, NVFP4, MXFP4 and MXFP8, by the library's own rules.

Sources: compressed_tensors compressors/ (one folder a format) and quantization/lifecycle/forward_helpers.py (``_dequantize``).
"""

from collections.abc import Iterator
from math import prod

from gated_ray.architectures.quantization.evidence import FP8, Quantized
from gated_ray.architectures.quantization.grids import Block, grid_shape
from gated_ray.architectures.quantization.packed_integers import PackedRows
from gated_ray.architectures.quantization.scaled import ScaledWeights
from gated_ray.architectures.quantization.schemes import Scheme, read_schemes, scheme_of
from gated_ray.architectures.stored import StoredTensor
from gated_ray.sources.headers import TensorRecord

_PACKED_BITS = (2, 4, 8)
_WORD = 32
_FLOAT_SCALES = ("F32", "F16", "BF16", "F64")


def compressed_tensors(checkpoint: Quantized) -> Iterator[StoredTensor]:
    """Every weight with a ``weight_scale``."""
    schemes = read_schemes(checkpoint)
    for module in checkpoint.stems(".weight_scale"):
        scale = checkpoint.tensors[f"{module}.weight_scale"]
        packed = checkpoint.tensors.get(f"{module}.weight_packed")
        weight = packed or checkpoint.need(f"{module}.weight", scale.name)
        if len(weight.shape) != 2 or 0 in weight.shape:
            raise checkpoint.unsupported(f"tensor {weight.name} has shape {weight.shape}; not a matrix")
        scheme = scheme_of(module, schemes, checkpoint)
        if packed is None:
            yield _plain(module, weight, scale, scheme, checkpoint)
        elif packed.dtype == "I32":
            yield _integers(module, packed, scale, scheme, checkpoint)
        else:
            yield _four_bit_floats(module, packed, scale, scheme, checkpoint)


def _plain(
    module: str, weight: TensorRecord, scale: TensorRecord, scheme: Scheme, checkpoint: Quantized
) -> StoredTensor:
    """FP8 or int8 of the weights' own shape."""
    if scheme.kind == "float":
        checkpoint.need_dtype(weight, *FP8)
    else:
        checkpoint.need_dtype(weight, "I8")
    checkpoint.need_dtype(scale, *_FLOAT_SCALES, *(("U8", "F8_E8M0") if scheme.kind == "float" else ()))
    _need_bits(weight, 8, scheme, checkpoint)
    block = _block(weight, weight.shape, scale, scheme, checkpoint)
    parts = {"weight": weight, "scale": scale}
    zero_point = checkpoint.tensors.get(f"{module}.weight_zero_point")
    if zero_point is not None:
        if zero_point.shape != scale.shape:
            raise checkpoint.disagree(weight, zero_point)
        parts["zero_point"] = zero_point
    elif not scheme.symmetric:
        checkpoint.need(f"{module}.weight_zero_point", weight.name)
    kind = "mxfp8" if scale.dtype in ("U8", "F8_E8M0") else "fp8" if scheme.kind == "float" else "int8"
    return StoredTensor(weight.name, weight.shape, parts, ScaledWeights(f"{kind}-{scheme.strategy}", block))


def _integers(
    module: str, packed: TensorRecord, scale: TensorRecord, scheme: Scheme, checkpoint: Quantized
) -> StoredTensor:
    if scheme.kind != "int" or scheme.bits not in _PACKED_BITS:
        raise checkpoint.unsupported(
            f"tensor {packed.name} is packed {scheme.kind}{scheme.bits}; only int of {_PACKED_BITS} bits are read"
        )
    checkpoint.need_dtype(scale, *_FLOAT_SCALES)
    columns = packed.shape[1] * _WORD // scheme.bits
    if scheme.strategy == "group" and scheme.group_size:
        columns = min(columns, scale.shape[-1] * scheme.group_size)
    shape = (packed.shape[0], columns)
    if grid_shape(shape, (1, _WORD // scheme.bits)) != packed.shape:
        raise checkpoint.disagree(packed, scale)
    block = _block(packed, shape, scale, scheme, checkpoint)
    roles = {"weight_packed": packed, "weight_scale": scale}
    roles["weight_shape"] = checkpoint.need(f"{module}.weight_shape", packed.name)
    if roles["weight_shape"].shape != (2,):
        raise checkpoint.disagree(packed, roles["weight_shape"])
    if not scheme.symmetric:
        checkpoint.need(f"{module}.weight_zero_point", packed.name)
    if scheme.by_index:
        checkpoint.need(f"{module}.weight_g_idx", packed.name)
    for role in ("weight_zero_point", "weight_g_idx"):
        if f"{module}.{role}" in checkpoint.tensors:
            roles[role] = checkpoint.tensors[f"{module}.{role}"]
    _check_zero_point(roles, scheme, checkpoint)
    if "weight_g_idx" in roles and (roles["weight_g_idx"].shape != shape[1:] or scheme.strategy != "group"):
        raise checkpoint.disagree(packed, roles["weight_g_idx"])
    name = f"{module}.weight"
    codec = PackedRows(f"packed-int{scheme.bits}-{scheme.strategy}", name, scheme.bits, shape, block)
    return StoredTensor(name, shape, roles, codec)


def _check_zero_point(roles: dict[str, TensorRecord], scheme: Scheme, checkpoint: Quantized) -> None:
    zero_point, scale = roles.get("weight_zero_point"), roles["weight_scale"]
    if zero_point is None:
        return
    whole = (scale.shape[0] * scheme.bits + _WORD - 1) // _WORD if scale.shape else 0
    fits = (
        zero_point.shape == (whole, *scale.shape[1:]) if zero_point.dtype == "I32" else zero_point.shape == scale.shape
    )
    if not fits or zero_point.dtype not in ("I32", "I8"):
        raise checkpoint.disagree(scale, zero_point)


def _four_bit_floats(
    module: str, packed: TensorRecord, scale: TensorRecord, scheme: Scheme, checkpoint: Quantized
) -> StoredTensor:
    """NVFP4 has an FP8 scale for 16 weights and one for the tensor, MXFP4 an exponent for 32."""
    checkpoint.need_dtype(packed, "U8")
    if scheme.kind != "float" or not scheme.symmetric:
        raise checkpoint.unsupported(f"tensor {packed.name} is packed {scheme.kind}, not symmetric FP4")
    _need_bits(packed, 4, scheme, checkpoint)
    shape = (packed.shape[0], packed.shape[1] * 2)
    parts = {"weight": packed, "scale": scale}
    if scale.dtype in ("U8", "F8_E8M0"):
        kind, size = "mxfp4", 32
    else:
        checkpoint.need_dtype(scale, *FP8)
        kind, size = "nvfp4", 16
        parts["global_scale"] = checkpoint.need(f"{module}.weight_global_scale", packed.name)
        if prod(parts["global_scale"].shape) != 1:
            raise checkpoint.disagree(packed, parts["global_scale"])
    block = _block(packed, shape, scale, scheme, checkpoint)
    if block != (1, size):
        raise checkpoint.disagree(packed, scale)
    return StoredTensor(f"{module}.weight", shape, parts, ScaledWeights(kind, block, fp4=True))


def _need_bits(weight: TensorRecord, bits: int, scheme: Scheme, checkpoint: Quantized) -> None:
    if scheme.bits != bits:
        raise checkpoint.unsupported(
            f"tensor {weight.name} is stored as {weight.dtype}, but quantization_config says num_bits={scheme.bits}"
        )


def _block(
    weight: TensorRecord, shape: tuple[int, ...], scale: TensorRecord, scheme: Scheme, checkpoint: Quantized
) -> Block | None:
    rows, columns = shape
    match scheme.strategy:
        case "tensor" if prod(scale.shape) == 1:
            return None
        case "channel" if scale.shape in ((rows, 1), (rows,)):
            return 1, columns
        case "group" | "tensor_group" if (
            scheme.group_size and scheme.group_size > 0 and not columns % scheme.group_size
        ):
            block = (1, scheme.group_size)
        case "block" if scheme.block:
            block = scheme.block
        case _:
            raise checkpoint.disagree(weight, scale)
    if scale.shape != grid_shape(shape, block):
        raise checkpoint.disagree(weight, scale)
    return block
