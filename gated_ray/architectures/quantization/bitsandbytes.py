"""bitsandbytes: four bits by a table of 16 values (nf4, fp4), and LLM.int8().

Rules (bitsandbytes functional.py and nn/modules.py): four bits, high half of a byte first, code[q] * absmax of the block of
``blocksize`` values in the order of the flattened weight; a doubly quantized absmax is
nested_code[absmax] * nested_absmax + nested_offset. Eight bits: q * SCB / 127 by rows.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil, prod
from typing import Any, TypeGuard

import torch

from gated_ray.architectures.quantization.evidence import Quantized
from gated_ray.architectures.quantization.grids import apply_grid
from gated_ray.architectures.quantization.unpacking import look_up_nibbles
from gated_ray.architectures.stored import StoredTensor
from gated_ray.errors import CheckpointError, UnsupportedError
from gated_ray.sources.headers import TensorRecord

_STATE = re.compile(r"(?P<weight>.+)\.quant_state\.bitsandbytes__(?P<kind>nf4|fp4)")
_ALWAYS = ("absmax", "quant_map")
_NESTED = ("nested_absmax", "nested_quant_map")
_MAP_SIZES = {"quant_map": 16, "nested_quant_map": 256}
_ROW_FORMAT = 0


@dataclass(frozen=True)
class FourBits:
    """Parts: ``weight`` (any dtype, its bytes are meant), ``absmax``, ``quant_map`` (16,), ``quant_state`` (JSON in bytes),
    and with double quantization ``nested_absmax`` and ``nested_quant_map`` (256,).

    Attributes:
        format: name of the format.
        name: of the weight, for messages.
        shape: that its quant_state must confirm.
    """

    format: str
    name: str
    shape: tuple[int, ...]

    def decode(self, parts: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Raises CheckpointError where the quant_state does not fit the tensors."""
        state = _read_state(parts["quant_state"], self.name)
        count, size = prod(self.shape), state.get("blocksize")
        absmax = _absmax(parts, state, self.name)
        if state.get("shape") != list(self.shape) or not _is_size(size) or absmax.shape != (ceil(count / size),):
            raise CheckpointError(
                f"tensor {self.name}: its quant_state says shape {state.get('shape')} in blocks of {size}, "
                f"which does not fit {self.shape} with {absmax.numel()} scales"
            )
        packed = parts["weight"].contiguous().view(torch.uint8).flatten()
        values = look_up_nibbles(packed, parts["quant_map"].to(torch.float32), low_first=False)[:count]
        apply_grid(torch.Tensor.mul_, values[None], absmax[None], (1, size))
        return values.view(self.shape)


@dataclass(frozen=True)
class EightBits:
    """Parts: ``weight`` (out, in) int8, ``SCB`` (out,), and where there is one ``weight_format``, which must say rows."""

    name: str
    format: str = "bitsandbytes-int8"

    def decode(self, parts: Mapping[str, torch.Tensor]) -> torch.Tensor:
        if "weight_format" in parts and int(parts["weight_format"]) != _ROW_FORMAT:
            raise UnsupportedError(
                f"tensor {self.name} is in bitsandbytes' weight_format {int(parts['weight_format'])}, only rows (0) are read"
            )
        return parts["weight"].to(torch.float32).mul_(parts["SCB"].to(torch.float32)[:, None]).mul_(1 / 127)


def bitsandbytes_tensors(checkpoint: Quantized) -> Iterator[StoredTensor]:
    """Every weight with a quant_state or an SCB."""
    yield from _four_bits(checkpoint)
    for stem in checkpoint.stems(".SCB"):
        scales = checkpoint.tensors[f"{stem}.SCB"]
        weight = checkpoint.need(f"{stem}.weight", scales.name)
        checkpoint.need_dtype(weight, "I8")
        checkpoint.need_dtype(scales, "F32", "F16", "BF16")
        if len(weight.shape) != 2 or scales.shape != weight.shape[:1]:
            raise checkpoint.disagree(weight, scales)
        parts = {"weight": weight, "SCB": scales}
        if f"{stem}.weight_format" in checkpoint.tensors:
            parts["weight_format"] = checkpoint.tensors[f"{stem}.weight_format"]
        yield StoredTensor(weight.name, weight.shape, parts, EightBits(weight.name))


def _four_bits(checkpoint: Quantized) -> Iterator[StoredTensor]:
    states = {match["weight"]: match for match in map(_STATE.fullmatch, checkpoint.tensors) if match}
    shapes = _shapes({name: checkpoint.tensors[match[0]] for name, match in states.items()}, checkpoint)
    for name, match in states.items():
        weight = checkpoint.need(name, match[0])
        bytes_of_pairs = ceil(prod(shapes[name]) / 2)
        if weight.shape[1:] != (1,) or weight.bytes != bytes_of_pairs or len(shapes[name]) != 2:
            raise checkpoint.unsupported(
                f"tensor {name} has {weight.bytes} bytes in shape {weight.shape}, its quant_state says {shapes[name]}"
            )
        parts = {"weight": weight, "quant_state": checkpoint.tensors[match[0]]}
        nested = any(f"{name}.{role}" in checkpoint.tensors for role in _NESTED)
        for role in (*_ALWAYS, *_NESTED) if nested else _ALWAYS:
            parts[role] = checkpoint.need(f"{name}.{role}", name)
            if role in _MAP_SIZES and parts[role].shape != (_MAP_SIZES[role],):
                raise checkpoint.disagree(weight, parts[role])
        yield StoredTensor(name, shapes[name], parts, FourBits(f"bitsandbytes-{match['kind']}", name, shapes[name]))


def _shapes(states: Mapping[str, TensorRecord], checkpoint: Quantized) -> dict[str, tuple[int, ...]]:
    """Shapes by weight. They stand in tensor bodies: one is read for weights that differ in numbers in their names only
    and have the same bytes, and decoding checks each."""
    if not states:
        return {}
    if checkpoint.read is None:
        raise ValueError("bitsandbytes keeps the shapes of 4-bit weights in tensor bodies: pass read")
    kinds = {
        name: (re.sub(r"\d+", "#", name), checkpoint.need(name, state.name).bytes) for name, state in states.items()
    }
    examples = {kind: states[name] for name, kind in kinds.items()}
    bodies = checkpoint.read(list(examples.values()))
    shapes = {}
    for kind, record in examples.items():
        shape = _read_state(bodies[record.name], record.name).get("shape")
        if not isinstance(shape, list) or not all(isinstance(size, int) and size > 0 for size in shape):
            raise checkpoint.broken(f"tensor {record.name} gives no shape")
        shapes[kind] = tuple(shape)
    return {name: shapes[kind] for name, kind in kinds.items()}


def _read_state(body: torch.Tensor, name: str) -> dict[str, Any]:
    try:
        state = json.loads(body.cpu().numpy().tobytes())
    except ValueError as error:
        raise CheckpointError(f"tensor {name}: its quant_state is not JSON ({error})") from error
    if not isinstance(state, dict):
        raise CheckpointError(f"tensor {name}: its quant_state is not a JSON object")
    return state


def _absmax(parts: Mapping[str, torch.Tensor], state: Mapping[str, Any], name: str) -> torch.Tensor:
    absmax = parts["absmax"]
    if "nested_absmax" not in parts:
        if not absmax.is_floating_point():
            raise CheckpointError(f"tensor {name}: its absmax is {absmax.dtype} without a nested_absmax")
        return absmax.to(torch.float32)
    nested, size, offset = parts["nested_absmax"], state.get("nested_blocksize"), state.get("nested_offset")
    if not _is_size(size) or not isinstance(offset, int | float):
        raise CheckpointError(f"tensor {name}: its quant_state has nested_blocksize={size!r}, nested_offset={offset!r}")
    if absmax.dtype != torch.uint8 or nested.shape != (ceil(absmax.numel() / size),):
        raise CheckpointError(
            f"tensor {name}: its nested_absmax of shape {tuple(nested.shape)} does not fit its absmax"
        )
    values = parts["nested_quant_map"].to(torch.float32)[absmax.int()]
    apply_grid(torch.Tensor.mul_, values[None], nested.to(torch.float32)[None], (1, size))
    return values.add_(offset)


def _is_size(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and value > 0
