"""Quantizers and dequantizers of transformers, compressed-tensors and bitsandbytes, as far as they run on a CPU."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import bitsandbytes.functional as bnb
import torch
from compressed_tensors.compressors import BaseCompressor
from compressed_tensors.compressors.format import infer_module_format
from compressed_tensors.compressors.nvfp4.helpers import unpack_fp4_from_uint8
from compressed_tensors.quantization import QuantizationArgs, QuantizationConfig, QuantizationScheme, QuantizationStatus
from compressed_tensors.quantization.lifecycle.forward import dequantize
from compressed_tensors.quantization.utils import calculate_qparams, generate_gparam
from transformers.integrations.bitnet import pack_weights, unpack_weights
from transformers.integrations.finegrained_fp8 import Fp8Dequantize, Fp8Quantize
from transformers.integrations.mxfp4 import FP4_VALUES, convert_moe_packed_tensors

Tensors = dict[str, torch.Tensor]
Quantized = tuple[Tensors, torch.Tensor]

_FP8_ACTIVATIONS = QuantizationArgs(num_bits=8, type="float", strategy="token", dynamic=True)
_INT8_ACTIVATIONS = QuantizationArgs(num_bits=8, type="int", strategy="token", dynamic=True)


def _scheme(activations: QuantizationArgs | None = None, **weights: Any) -> QuantizationScheme:
    return QuantizationScheme(targets=["Linear"], weights=QuantizationArgs(**weights), input_activations=activations)


SCHEMES = {
    "ct-fp8-tensor": _scheme(_FP8_ACTIVATIONS, num_bits=8, type="float", strategy="tensor"),
    "ct-fp8-channel": _scheme(_FP8_ACTIVATIONS, num_bits=8, type="float", strategy="channel"),
    "ct-fp8-block": _scheme(_FP8_ACTIVATIONS, num_bits=8, type="float", strategy="block", block_structure=[24, 24]),
    "ct-int8-channel": _scheme(_INT8_ACTIVATIONS, num_bits=8, strategy="channel"),
    "ct-int8-asymmetric": _scheme(_INT8_ACTIVATIONS, num_bits=8, strategy="channel", symmetric=False),
    "ct-int4-group": _scheme(num_bits=4, strategy="group", group_size=16),
    "ct-int4-asymmetric": _scheme(num_bits=4, strategy="group", group_size=16, symmetric=False),
    "ct-int4-tensor": _scheme(num_bits=4, strategy="tensor"),
    "ct-int8-packed": _scheme(num_bits=8, strategy="channel", symmetric=False),
    "ct-int2-packed": _scheme(num_bits=2, strategy="channel"),
    "ct-nvfp4": _scheme(num_bits=4, type="float", strategy="tensor_group", group_size=16),
    "ct-mxfp4": _scheme(num_bits=4, type="float", strategy="group", group_size=32, scale_dtype=torch.uint8),
    "ct-mxfp8": _scheme(num_bits=8, type="float", strategy="group", group_size=32, scale_dtype=torch.uint8),
}
"""compressed-tensors schemes, each of which gives one of its formats."""


def fp8(block: tuple[int, int] | None, scale_fmt: str = "float") -> Callable[..., Quantized]:
    """transformers' own ops."""
    settings = SimpleNamespace(weight_block_size=block, scale_fmt=scale_fmt)
    quantizer = SimpleNamespace(quantization_config=settings)

    def quantize(name: str, weight: torch.Tensor) -> Quantized:
        tensors = Fp8Quantize(quantizer)._quantize_one(name, weight)
        scale = next(tensor for key, tensor in tensors.items() if key.endswith("_scale_inv"))
        return tensors, Fp8Dequantize(quantizer)._dequantize_one(tensors[name], scale, torch.float32)

    return quantize


def fp8_settings(block: tuple[int, int] | None, scale_fmt: str = "float") -> dict[str, Any]:
    size = list(block) if block else None
    return {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": size, "scale_fmt": scale_fmt}


def compressed(scheme: QuantizationScheme) -> Callable[..., Quantized]:
    """compressed-tensors' compressor of the scheme's format, with min-max scales."""
    form = infer_module_format(torch.nn.Linear, scheme)
    compressor = BaseCompressor.get_value_from_registry(form.value)
    args = scheme.weights

    def quantize(name: str, weight: torch.Tensor) -> Quantized:
        stem = name.removesuffix("weight")
        state = {"weight": weight}
        if args.strategy == "tensor_group":
            state["weight_global_scale"] = generate_gparam(weight.min(), weight.max()).reshape(1)
        low, high = _extremes(weight, args)
        scale, zero_point = calculate_qparams(low, high, args, state.get("weight_global_scale"))
        state |= {"weight_scale": scale.to(torch.float32), "weight_zero_point": zero_point.to(torch.int8)}
        stored = compressor.compress(state, scheme)
        if args.type == "float" and args.num_bits == 4:
            meant = _four_bit_values(stored, scheme)
        else:
            meant = compressor.decompress(stored, scheme)["weight"].float()
        return {stem + key: tensor for key, tensor in stored.items()}, meant

    return quantize


def _extremes(weight: torch.Tensor, args: QuantizationArgs) -> tuple[torch.Tensor, torch.Tensor]:
    rows, columns = weight.shape
    match args.strategy:
        case "tensor":
            return weight.min().reshape(1), weight.max().reshape(1)
        case "channel":
            return weight.amin(1, keepdim=True), weight.amax(1, keepdim=True)
        case "block":
            high, wide = args.block_structure
            filled = torch.nn.functional.pad(weight, (0, -columns % wide, 0, -rows % high))
            blocks = filled.unflatten(1, (-1, wide)).unflatten(0, (-1, high))
            return blocks.amin((1, 3)), blocks.amax((1, 3))
    groups = weight.unflatten(1, (-1, args.group_size))
    return groups.amin(2), groups.amax(2)


def _four_bit_values(stored: Tensors, scheme: QuantizationScheme) -> torch.Tensor:
    """As the compressor's decompress, but in float32 where that rounds to bfloat16."""
    packed, scale = stored["weight_packed"], stored["weight_scale"]
    values = unpack_fp4_from_uint8(packed, len(packed), packed.shape[1] * 2, torch.float32)
    scale = 2.0 ** (scale.float() - 127) if scale.dtype == torch.uint8 else scale.float()
    return dequantize(values, scale, args=scheme.weights, global_scale=stored.get("weight_global_scale"))


def compressed_settings(scheme: QuantizationScheme) -> dict[str, Any]:
    """What ``ModelCompressor.update_config`` writes."""
    config = QuantizationConfig(
        config_groups={"group_0": scheme},
        format=infer_module_format(torch.nn.Linear, scheme).value,
        ignore=["lm_head"],
        quantization_status=QuantizationStatus.COMPRESSED,
    )
    written = config.model_dump(mode="json") | {"quant_method": "compressed-tensors", "sparsity_config": {}}
    return written | {"transform_config": {}}


def bitsandbytes_4bit(kind: str, *, nested: bool) -> Callable[..., Quantized]:
    def quantize(name: str, weight: torch.Tensor) -> Quantized:
        packed, state = bnb.quantize_4bit(weight, quant_type=kind, compress_statistics=nested, blocksize=64)
        tensors = {f"{name}.{key}": tensor for key, tensor in state.as_dict(packed=True).items()}
        state.shape = torch.Size(
            (1, weight.numel())
        )  # its CPU kernel starts a block with every row, its GPU kernels do not
        return {name: packed} | tensors, bnb.dequantize_4bit(packed, state).view(weight.shape)

    return quantize


def bitsandbytes_settings(kind: str, *, nested: bool) -> dict[str, Any]:
    return {
        "quant_method": "bitsandbytes",
        "load_in_4bit": True,
        "bnb_4bit_quant_type": kind,
        "bnb_4bit_use_double_quant": nested,
        "bnb_4bit_quant_storage": "uint8",
    }


def bitsandbytes_8bit(name: str, weight: torch.Tensor) -> Quantized:
    codes, scales, _ = bnb.int8_vectorwise_quant(weight.half())
    stem = name.removesuffix("weight")
    tensors = {name: codes, f"{stem}SCB": scales, f"{stem}weight_format": torch.tensor(0, dtype=torch.uint8)}
    return tensors, bnb.int8_vectorwise_dequant(codes, scales)


def bitnet(linear_class: str) -> Callable[..., Quantized]:
    """Ternary by the mean; `bitlinear` stores the reciprocal of the scale that `autobitlinear` stores."""

    def quantize(name: str, weight: torch.Tensor) -> Quantized:
        mean = weight.abs().mean()
        ternary = (weight / mean).round().clamp(-1, 1)
        scale = (1 / mean if linear_class == "bitlinear" else mean).reshape(1)
        packed = pack_weights(ternary.clone())
        with torch.compiler.set_stance("force_eager"):
            values = unpack_weights(packed, torch.float32)
        meant = values / scale if linear_class == "bitlinear" else values * scale
        return {name: packed, f"{name}_scale": scale}, meant

    return quantize


def mxfp4(name: str, weight: torch.Tensor) -> Quantized:
    """gpt-oss's (E, in, out) experts; the nearest FP4 value under a power of two, and transformers' way back."""
    groups = weight.transpose(1, 2).unflatten(2, (-1, 32))
    exponents = torch.floor(torch.log2(groups.abs().amax(-1).clamp(min=1e-30))) - 2
    scaled = groups / 2.0 ** exponents.unsqueeze(-1)
    codes = (scaled.unsqueeze(-1) - torch.tensor(FP4_VALUES)).abs().argmin(-1).to(torch.uint8)
    blocks = codes[..., 0::2] | codes[..., 1::2] << 4
    scales = (exponents + 127).to(torch.uint8)
    return {f"{name}_blocks": blocks, f"{name}_scales": scales}, convert_moe_packed_tensors(
        blocks, scales, dtype=torch.float32
    )
