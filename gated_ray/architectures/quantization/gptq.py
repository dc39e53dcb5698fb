"""GPTQ: integers packed along the inputs, a scale and a zero point for each group of inputs and each output.

Rule: scale[g, out] * (q[in, out] - zero[g, out]) with g = g_idx[in]. The format ``gptq`` (v1) stores zero - 1,
``gptq_v2`` the zero itself (gptqmodel nn_modules/qlinear/torch.py and utils/model.py).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil

import torch

from gated_ray.architectures.quantization.evidence import Quantized
from gated_ray.architectures.quantization.unpacking import unpack_bits
from gated_ray.architectures.stored import StoredTensor
from gated_ray.errors import CheckpointError, UnsupportedError
from gated_ray.sources.documents import said
from gated_ray.sources.headers import TensorRecord

_FORMATS = {"gptq": 1, "gptq_v2": 0}
_BITS = (2, 4, 8)
_WORD = 32


@dataclass(frozen=True)
class PackedInputs:
    """Parts: ``qweight`` (in * bits / 32, out), ``qzeros`` (groups, out * bits / 32), ``scales`` (groups, out), and
    where there is one ``g_idx`` (in,); decoded (out, in).

    Attributes:
        format: name of the format.
        name: of the weight, for messages.
        bits: of one number.
        group: inputs that share a scale, where there is no ``g_idx``.
        zero_offset: what the stored zero points lack.
    """

    format: str
    name: str
    bits: int
    group: int
    zero_offset: int

    def decode(self, parts: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Raises UnsupportedError where a v1 zero point is the largest number, CheckpointError for a wrong ``g_idx``."""
        values = unpack_bits(parts["qweight"].T, self.bits).to(torch.float32)
        zeros = unpack_bits(parts["qzeros"], self.bits)
        if self.zero_offset and bool((zeros == (1 << self.bits) - 1).any()):
            raise UnsupportedError(
                f"tensor {self.name} has a zero point of 0 in GPTQ format v1, which its writers pack in two ways; "
                f"use the unquantized model"
            )
        groups = self._groups(parts, values.shape[1])
        values.sub_((zeros.to(torch.float32) + self.zero_offset).T[:, groups])
        return values.mul_(parts["scales"].to(torch.float32).T[:, groups])

    def _groups(self, parts: Mapping[str, torch.Tensor], inputs: int) -> torch.Tensor:
        if "g_idx" not in parts:
            return torch.arange(inputs, device=parts["qweight"].device) // self.group
        groups = parts["g_idx"].long()
        if int(groups.min()) < 0 or int(groups.max()) >= len(parts["scales"]):
            raise CheckpointError(f"tensor {self.name}: its g_idx names a group without a scale")
        return groups


def gptq_tensors(checkpoint: Quantized) -> Iterator[StoredTensor]:
    """Every ``qweight`` with its companions."""
    form = _format(checkpoint)
    for stem in checkpoint.stems(".qweight"):
        qweight = checkpoint.tensors[f"{stem}.qweight"]
        parts = {"qweight": qweight} | {
            role: checkpoint.need(f"{stem}.{role}", qweight.name) for role in ("qzeros", "scales")
        }
        if f"{stem}.g_idx" in checkpoint.tensors:
            parts["g_idx"] = checkpoint.tensors[f"{stem}.g_idx"]
            checkpoint.need_dtype(parts["g_idx"], "I32", "I64")
        checkpoint.need_dtype(qweight, "I32")
        checkpoint.need_dtype(parts["qzeros"], "I32")
        checkpoint.need_dtype(parts["scales"], "F16", "BF16", "F32")
        bits, group = _sizes(parts, checkpoint)
        name = f"{stem}.weight"
        shape = (qweight.shape[1], qweight.shape[0] * _WORD // bits)
        yield StoredTensor(name, shape, parts, PackedInputs(f"{form}-int{bits}", name, bits, group, _FORMATS[form]))


def _format(checkpoint: Quantized) -> str:
    settings = checkpoint.settings
    named = {str(settings[key]) for key in ("checkpoint_format", "format") if settings.get(key)} or {"gptq"}
    if settings.get("is_marlin_format") or len(named) > 1 or not named <= _FORMATS.keys():
        stated = "marlin" if settings.get("is_marlin_format") else " and ".join(sorted(named))
        raise checkpoint.unsupported(f"quantized with quant_method 'gptq' in format {said(stated)}, not supported")
    return named.pop()


def _sizes(parts: Mapping[str, TensorRecord], checkpoint: Quantized) -> tuple[int, int]:
    """Bits and group size, as the shapes show and the config confirms."""
    qweight, qzeros, scales = parts["qweight"], parts["qzeros"], parts["scales"]
    if any(len(part.shape) != 2 or 0 in part.shape for part in (qweight, qzeros, scales)):
        raise checkpoint.disagree(qweight, scales)
    outputs = qweight.shape[1]
    bits, rest = divmod(qzeros.shape[1] * _WORD, outputs)
    overridden = bool(checkpoint.settings.get("dynamic"))
    if rest or scales.shape != (qzeros.shape[0], outputs):
        raise checkpoint.disagree(qweight, qzeros)
    if bits not in _BITS or (bits != checkpoint.settings.get("bits") and not overridden):
        stated = checkpoint.settings.get("bits")
        raise checkpoint.unsupported(
            f"{qweight.name} has numbers of {bits} bits and quantization_config says {said(stated)}; read are {_BITS}"
        )
    inputs, groups = qweight.shape[0] * _WORD // bits, scales.shape[0]
    if "g_idx" in parts and parts["g_idx"].shape != (inputs,):
        raise checkpoint.disagree(qweight, parts["g_idx"])
    stated = checkpoint.settings.get("group_size")
    group = inputs if stated == -1 else stated
    if not isinstance(group, int) or group < 1 or ceil(inputs / group) != groups:
        if not overridden or inputs % groups:
            raise checkpoint.disagree(qweight, scales)
        group = inputs // groups
    return bits, group
