"""What is wrong with a header that the official library refuses, in words that name the tensor."""

import math
from collections.abc import Mapping
from typing import Any

from gated_ray.sources.documents import said

RANK_LIMIT = 16
_WORD = 1 << 64
_BITS = {
    "BOOL": 8,
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    "U8": 8,
    "I8": 8,
    "F8_E5M2": 8,
    "F8_E4M3": 8,
    "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8,
    "F8_E5M2FNUZ": 8,
    "I16": 16,
    "U16": 16,
    "F16": 16,
    "BF16": 16,
    "I32": 32,
    "U32": 32,
    "F32": 32,
    "I64": 64,
    "U64": 64,
    "F64": 64,
    "C64": 64,
}
"""Of one element, by dtype (safetensors ``Dtype``)."""


def fault_of(entries: Mapping[str, Any], data: int) -> str | None:
    """The first fault, of an entry or between two; None where there is none to be seen.

    Args:
        entries: of a header, as JSON has them, without ``__metadata__``.
        data: bytes that follow the header.
    """
    for name, entry in entries.items():
        if fault := _fault_of_entry(entry):
            return f"tensor {said(name)} has {fault}; not a sound file"
    spans = sorted((tuple(entry["data_offsets"]), name) for name, entry in entries.items())
    if spans and spans[-1][0][1] > data:
        (_, end), name = spans[-1]
        return f"truncated: tensor {said(name)} ends {said(end)} bytes behind the header, the file {data}; download it again"
    end, last = 0, ""
    for (begin, after), name in spans:
        if begin < end:
            return (
                f"tensor {said(name)} has data_offsets {begin} to {after}, which overlap {said(last)}; not a sound file"
            )
        if begin > end:
            return f"tensor {said(name)} has data_offsets {begin} to {after} behind a hole of {begin - end} bytes; not a sound file"
        end, last = after, name
    return None if end == data else f"its tensors fill {end} bytes of {data}: a hole at the end; not a sound file"


def _fault_of_entry(entry: Any) -> str | None:
    if not isinstance(entry, dict):
        return f"the entry {said(entry)}, which is no JSON object"
    for field in ("dtype", "shape", "data_offsets"):
        if field not in entry:
            return f"no {field}"
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _BITS:
        return f"dtype {said(dtype)}, which safetensors does not know"
    if not isinstance(shape, list) or not all(map(_is_size, shape)):
        return f"shape {said(shape)}, which is no list of sizes"
    if len(shape) > RANK_LIMIT:
        return f"shape {said(shape)} of {len(shape)} dimensions"
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(map(_is_size, offsets)):
        return f"data_offsets {said(offsets)}, which are no two offsets"
    begin, end = offsets
    if begin > end:
        return f"data_offsets {said(offsets)}, which end before they begin"
    bits = math.prod(shape) * _BITS[dtype]
    if bits % 8:
        return f"shape {said(shape)} of {dtype}, which fills no whole bytes"
    if bits // 8 != end - begin:
        return f"shape {said(shape)} of {dtype}, which needs {said(bits // 8)} bytes, and data_offsets of {end - begin}"
    return None


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _WORD
