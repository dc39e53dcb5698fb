"""What every stored tensor of a checkpoint means, by its quantization config and the companions that it has."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from gated_ray.architectures.quantization.awq import awq_tensors
from gated_ray.architectures.quantization.bitnet import bitnet_tensors
from gated_ray.architectures.quantization.bitsandbytes import bitsandbytes_tensors
from gated_ray.architectures.quantization.compressed_tensors import compressed_tensors
from gated_ray.architectures.quantization.evidence import Quantized, Reader
from gated_ray.architectures.quantization.fbgemm import fbgemm_tensors
from gated_ray.architectures.quantization.fp8 import fp8_tensors
from gated_ray.architectures.quantization.gptq import gptq_tensors
from gated_ray.architectures.quantization.mxfp4 import mxfp4_tensors
from gated_ray.architectures.quantization.settings import quantization_settings
from gated_ray.architectures.stored import FLOATS, StoredTensor
from gated_ray.errors import UnsupportedError
from gated_ray.sources.documents import said
from gated_ray.sources.headers import TensorRecord

FORMATS: Mapping[str, Callable[[Quantized], Iterator[StoredTensor]]] = {
    "awq": awq_tensors,
    "bitnet": bitnet_tensors,
    "bitsandbytes": bitsandbytes_tensors,
    "compressed-tensors": compressed_tensors,
    "fbgemm_fp8": fbgemm_tensors,
    "fp8": fp8_tensors,
    "gptq": gptq_tensors,
    "mxfp4": mxfp4_tensors,
    "mxfp8": fp8_tensors,
}
"""Readers by quant_method."""

_OF_ACTIVATIONS = (
    "input_scale",
    "input_scale_ub",
    "input_zero_point",
    "input_global_scale",
    "output_scale",
    "output_zero_point",
    "activation_scale",
    "qscale_act",
    "q_scale",
    "k_scale",
    "v_scale",
    "k_zero_point",
    "v_zero_point",
)
_COMPANIONS = (
    "qweight",
    "qzeros",
    "weight_packed",
    "weight_scale",
    "weight_scale_inv",
    "weight_scale_2",
    "weight_global_scale",
    "weight_zero_point",
    "weight_shape",
    "weight_g_idx",
    "weight_format",
    "qscale_weight",
    "SCB",
    "absmax",
    "quant_map",
    "nested_absmax",
    "nested_quant_map",
    "bitsandbytes__nf4",
    "bitsandbytes__fp4",
)
_AWQ_ACTIVATION = "act.scales"
"""A factor that AWQ puts between activation and down projection of ungated blocks (AutoAWQ, ``ScaledActivation``)."""
_COMPANION_ENDINGS = ("_scale_inv", "_blocks", "_scales")


def stored_tensors(
    config: Mapping[str, Any], tensors: Mapping[str, TensorRecord], ref: str, read: Reader | None = None
) -> dict[str, StoredTensor]:
    """Every tensor of a checkpoint by the name that it has in the unquantized model.

    Weights without companions are plain, whatever the config's lists of exceptions say. Tensors that concern activations
    alone are left out.

    Args:
        config: config.json.
        tensors: what the headers name.
        ref: the checkpoint, for messages.
        read: reads whole tensors; called for bitsandbytes 4-bit only, which keeps shapes in tensor bodies.

    Raises:
        UnsupportedError: a quant_method or format without a rule, or quantized tensors without a quantization_config.
        CheckpointError: companions that are missing or do not fit.
    """
    settings = quantization_settings(config, ref)
    if settings is None:
        for record in tensors.values():
            _refuse_quantized(record, f"{ref}: config.json has no quantization_config, but there is")
        return {name: _plain(record) for name, record in tensors.items()}
    method = settings["quant_method"]
    if method not in FORMATS:
        raise UnsupportedError(
            f"{ref}: quantized with quant_method {said(method)}, not supported; use the unquantized model or one of "
            f"{', '.join(FORMATS)}"
        )
    decoded = list(FORMATS[method](Quantized(settings, tensors, ref, read)))
    used = {record.name for stored in decoded for record in stored.parts.values()}
    stored_by_name: dict[str, StoredTensor] = {}
    for name, record in tensors.items():
        if name in used or _concerns_activations(name):
            continue
        _refuse_quantized(record, f"{ref}: quantized with quant_method {said(method)}, whose rule leaves")
        if name.endswith(_AWQ_ACTIVATION):
            raise UnsupportedError(f"{ref}: tensor {name} scales an activation, which no rule here undoes")
        stored_by_name[name] = _plain(record)
    for stored in decoded:
        if stored.name in stored_by_name:
            raise UnsupportedError(f"{ref}: tensor {stored.name} is stored in two ways; which is meant?")
        stored_by_name[stored.name] = stored
    return stored_by_name


def _plain(record: TensorRecord) -> StoredTensor:
    return StoredTensor(record.name, record.shape, {"weight": record})


def _concerns_activations(name: str) -> bool:
    return name.rpartition(".")[2] in _OF_ACTIVATIONS or name.endswith("_activation_scale")


def _refuse_quantized(record: TensorRecord, why: str) -> None:
    """A companion, or a weight that is no float, has a meaning that nothing here knows."""
    leaf = record.name.rpartition(".")[2]
    companion = leaf in _COMPANIONS or (record.dtype not in FLOATS and leaf.endswith(_COMPANION_ENDINGS))
    small_float = record.dtype[0] == "F" and record.dtype not in FLOATS
    if companion or small_float or (leaf == "weight" and record.dtype not in FLOATS):
        raise UnsupportedError(
            f"{why} tensor {record.name} ({record.dtype}, shape {record.shape}) without a meaning; use the unquantized model"
        )
