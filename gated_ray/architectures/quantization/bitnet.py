"""BitNet: weights of -1, 0 and 1, four a byte, and one scale (transformers integrations/bitnet.py).

Number k of a byte, from the lowest two bits, belongs to quarter k of the rows, and is stored plus 1. A ``bitlinear``
layer divides its output by ``weight_scale``, an ``autobitlinear`` one multiplies.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod

import torch

from gated_ray.architectures.quantization.evidence import Quantized
from gated_ray.architectures.stored import StoredTensor
from gated_ray.sources.documents import said

_PER_BYTE = 4
_DIVIDES = {"bitlinear": True, "autobitlinear": False}


@dataclass(frozen=True)
class TernaryRows:
    """Parts: ``weight`` (out / 4, in) bytes, ``scale`` of one value; decoded (out, in).

    Attributes:
        divides: whether the scale divides.
        format: name of the format.
    """

    divides: bool
    format: str = "bitnet"

    def decode(self, parts: Mapping[str, torch.Tensor]) -> torch.Tensor:
        packed, scale = parts["weight"], parts["scale"].to(torch.float32).reshape(())
        values = torch.cat([(packed >> 2 * quarter) & 3 for quarter in range(_PER_BYTE)]).to(torch.float32).sub_(1)
        return values.div_(scale) if self.divides else values.mul_(scale)


def bitnet_tensors(checkpoint: Quantized) -> Iterator[StoredTensor]:
    """Every packed weight with its scale."""
    settings = checkpoint.settings
    linear, mode = settings.get("linear_class", "bitlinear"), settings.get("quantization_mode", "offline")
    if not isinstance(linear, str) or linear not in _DIVIDES or mode != "offline" or settings.get("use_rms_norm"):
        raise checkpoint.unsupported(
            f"quantized with quant_method 'bitnet', linear_class={said(linear)}, quantization_mode={said(mode)}, "
            f"use_rms_norm={bool(settings.get('use_rms_norm'))}, not supported"
        )
    for stem in checkpoint.stems(".weight_scale"):
        scale = checkpoint.tensors[f"{stem}.weight_scale"]
        weight = checkpoint.need(f"{stem}.weight", scale.name)
        checkpoint.need_dtype(weight, "U8")
        if len(weight.shape) != 2 or prod(scale.shape) != 1:
            raise checkpoint.disagree(weight, scale)
        shape = (weight.shape[0] * _PER_BYTE, weight.shape[1])
        parts = {"weight": weight, "scale": scale}
        yield StoredTensor(weight.name, shape, parts, TernaryRows(_DIVIDES[linear]))
