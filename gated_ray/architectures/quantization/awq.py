"""AWQ (the ``gemm`` version): four bits packed along the outputs, in an order made for the kernel.

Rule: scale[g, out] * (q[in, out] - zero[g, out]) with g = in // group_size; the eight numbers of a word, lowest bits first,
are outputs 0, 2, 4, 6, 1, 3, 5, 7 (AutoAWQ awq/utils/packing_utils.py).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch

from gated_ray.architectures.quantization.evidence import Quantized
from gated_ray.architectures.quantization.grids import apply_grid
from gated_ray.architectures.quantization.unpacking import unpack_bits
from gated_ray.architectures.stored import StoredTensor
from gated_ray.sources.documents import said

_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)
_PLACES = [_ORDER.index(output) for output in range(8)]
_BITS = 4


@dataclass(frozen=True)
class PackedOutputs:
    """Parts: ``qweight`` (in, out / 8), ``qzeros`` (groups, out / 8), ``scales`` (groups, out); decoded (out, in).

    Attributes:
        group: inputs that share a scale.
        format: name of the format.
    """

    group: int
    format: str = "awq-gemm-int4"

    def decode(self, parts: Mapping[str, torch.Tensor]) -> torch.Tensor:
        values, zeros = (_unpack(parts[role]).to(torch.float32) for role in ("qweight", "qzeros"))
        apply_grid(torch.Tensor.sub_, values, zeros, (self.group, 1))
        apply_grid(torch.Tensor.mul_, values, parts["scales"].to(torch.float32), (self.group, 1))
        return values.T


def _unpack(words: torch.Tensor) -> torch.Tensor:
    in_order: torch.Tensor = unpack_bits(words, _BITS).unflatten(-1, (-1, 8))[..., _PLACES]
    return in_order.flatten(-2)


def awq_tensors(checkpoint: Quantized) -> Iterator[StoredTensor]:
    """Every ``qweight`` with its companions."""
    _check_version(checkpoint)
    stated = checkpoint.settings.get("group_size", checkpoint.settings.get("q_group_size"))
    for stem in checkpoint.stems(".qweight"):
        qweight = checkpoint.tensors[f"{stem}.qweight"]
        qzeros, scales = (checkpoint.need(f"{stem}.{role}", qweight.name) for role in ("qzeros", "scales"))
        checkpoint.need_dtype(qweight, "I32")
        checkpoint.need_dtype(qzeros, "I32")
        checkpoint.need_dtype(scales, "F16", "BF16", "F32")
        if len(qweight.shape) != 2 or 0 in qweight.shape:
            raise checkpoint.disagree(qweight, scales)
        inputs, words = qweight.shape
        group = inputs if stated == -1 else stated
        if not isinstance(group, int) or group < 1 or inputs % group:
            raise checkpoint.broken(
                f"quantization_config has group_size={said(stated)}, which {qweight.name} is not made of"
            )
        if qzeros.shape != (inputs // group, words):
            raise checkpoint.disagree(qweight, qzeros)
        if scales.shape != (inputs // group, words * 8):
            raise checkpoint.disagree(qweight, scales)
        parts = {"qweight": qweight, "qzeros": qzeros, "scales": scales}
        yield StoredTensor(f"{stem}.weight", (words * 8, inputs), parts, PackedOutputs(group))


def _check_version(checkpoint: Quantized) -> None:
    settings = checkpoint.settings
    named = {str(settings[key]).lower() for key in ("version", "format", "checkpoint_format") if settings.get(key)}
    if settings.get("backend") == "llm-awq":
        named.add("llm-awq")
    if not named <= {"gemm"}:
        raise checkpoint.unsupported(
            f"quantized with quant_method 'awq' in version {said(' and '.join(sorted(named)))}, of which only 'gemm' is supported"
        )
    bits = settings.get("bits", settings.get("w_bit"))
    if bits != _BITS or settings.get("zero_point") is False:
        raise checkpoint.unsupported(
            f"quantized with quant_method 'awq', bits={said(bits)}, zero_point={said(settings.get('zero_point'))}, not supported"
        )
