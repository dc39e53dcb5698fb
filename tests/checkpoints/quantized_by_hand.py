"""Quantizers of the formats whose own libraries need a GPU, written out element by element from their documentation."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

Tensors = dict[str, torch.Tensor]
Quantized = tuple[Tensors, torch.Tensor]

GPTQ_OPTIONS: dict[str, dict[str, Any]] = {
    "gptq": {"bits": 4, "group_size": 16},
    "gptq-v2": {"bits": 4, "group_size": 16, "form": "gptq_v2"},
    "gptq-act-order": {"bits": 4, "group_size": 16, "desc_act": True},
    "gptq-int8": {"bits": 8, "group_size": -1},
    "gptq-int2-v2": {"bits": 2, "group_size": 8, "form": "gptq_v2"},
}
_AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)


def _group_codes(values: np.ndarray, groups: list[int], bits: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Asymmetric codes of (in, out) values: codes, zero points and float16 scales by group."""
    top = 2**bits - 1
    inputs, outputs = values.shape
    codes = np.zeros((inputs, outputs), np.uint32)
    zeros = np.zeros((max(groups) + 1, outputs), np.uint32)
    scales = np.zeros(zeros.shape, np.float16)
    for group in range(max(groups) + 1):
        rows = [row for row in range(inputs) if groups[row] == group]
        for column in range(outputs):
            low, high = min(values[rows, column].min(), 0.0), max(values[rows, column].max(), 0.0)
            scale = np.float16(max((high - low) / top, 1e-3))
            zero = int(np.clip(round(-low / float(scale)), 1, top))
            scales[group, column], zeros[group, column] = scale, zero
            for row in rows:
                codes[row, column] = int(np.clip(round(values[row, column] / float(scale)) + zero, 0, top))
    return codes, zeros, scales


def _meant(codes: np.ndarray, zeros: np.ndarray, scales: np.ndarray, groups: list[int]) -> torch.Tensor:
    """(out, in) values, in float64 until the last step."""
    values = np.zeros(codes.shape[::-1])
    for row, group in enumerate(groups):
        for column in range(codes.shape[1]):
            values[column, row] = float(scales[group, column]) * (int(codes[row, column]) - int(zeros[group, column]))
    return torch.from_numpy(values.astype(np.float32))


def _pack(numbers: list[int], bits: int) -> list[int]:
    """32-bit words, the first number in the lowest bits."""
    count = 32 // bits
    return [
        sum(int(number) << (bits * place) for place, number in enumerate(numbers[start : start + count]))
        for start in range(0, len(numbers), count)
    ]


def _words(rows: list[list[int]]) -> torch.Tensor:
    return torch.from_numpy(np.array(rows, np.uint32).view(np.int32))


def gptq(*, bits: int, group_size: int, form: str = "gptq", desc_act: bool = False) -> Callable[..., Quantized]:
    """AutoGPTQ's layout; v1 stores zero points minus one, and `desc_act` spreads a group over the inputs."""

    def quantize(name: str, weight: torch.Tensor) -> Quantized:
        values = weight.numpy().T
        inputs, outputs = values.shape
        size = inputs if group_size == -1 else group_size
        groups = [row // size for row in range(inputs)]
        if desc_act:
            groups = [groups[place] for place in np.random.default_rng(inputs).permutation(inputs)]
        codes, zeros, scales = _group_codes(values, groups, bits)
        stored_zeros = zeros - (1 if form == "gptq" else 0)
        stem = name.removesuffix("weight")
        return {
            f"{stem}qweight": _words([_pack(list(codes[:, column]), bits) for column in range(outputs)]).T,
            f"{stem}qzeros": _words([_pack(list(row), bits) for row in stored_zeros]),
            f"{stem}scales": torch.from_numpy(scales),
            f"{stem}g_idx": torch.tensor(groups, dtype=torch.int32),
        }, _meant(codes, zeros, scales, groups)

    return quantize


def gptq_settings(*, bits: int, group_size: int, form: str = "gptq", desc_act: bool = False) -> dict[str, Any]:
    settings = {"quant_method": "gptq", "bits": bits, "group_size": group_size, "desc_act": desc_act, "sym": False}
    return settings | {"checkpoint_format": form, "lm_head": False}


def awq(group_size: int) -> Callable[..., Quantized]:
    """AutoAWQ's ``gemm`` layout."""

    def quantize(name: str, weight: torch.Tensor) -> Quantized:
        values = weight.numpy().T
        groups = [row // group_size for row in range(len(values))]
        codes, zeros, scales = _group_codes(values, groups, 4)
        stem = name.removesuffix("weight")
        return {
            f"{stem}qweight": _words([_pack_in_order(list(row)) for row in codes]),
            f"{stem}qzeros": _words([_pack_in_order(list(row)) for row in zeros]),
            f"{stem}scales": torch.from_numpy(scales),
        }, _meant(codes, zeros, scales, groups)

    return quantize


def _pack_in_order(numbers: list[int]) -> list[int]:
    return _pack([numbers[start + place] for start in range(0, len(numbers), 8) for place in _AWQ_ORDER], 4)


def awq_settings(group_size: int) -> dict[str, Any]:
    settings = {"quant_method": "awq", "bits": 4, "group_size": group_size, "zero_point": True, "version": "gemm"}
    return settings | {"modules_to_not_convert": None}


def fbgemm(name: str, weight: torch.Tensor) -> Quantized:
    """One scale an output row of a linear layer; Llama-4's experts (E, in, out) have one an output column."""
    outputs_last = weight.dim() == 3
    rows = weight.transpose(1, 2) if outputs_last else weight
    scale = (rows.abs().amax(-1, keepdim=True) / 448.0).clamp(min=1e-12)
    quantized = (rows / scale).to(torch.float8_e4m3fn)
    meant = (quantized.double() * scale.double()).float()
    if not outputs_last:
        return {name: quantized, f"{name}_scale": scale}, meant
    stored_scale = scale.transpose(1, 2) if "gate_up" in name else scale
    return {name: quantized.transpose(1, 2), f"{name}_scale": stored_scale}, meant.transpose(1, 2)
