"""Decoding a checkpoint in memory or in a folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from gated_ray.architectures.quantization.detect import stored_tensors
from gated_ray.architectures.stored import StoredTensor
from gated_ray.sources.checkpoint import open_checkpoint
from gated_ray.sources.headers import TensorRecord
from gated_ray.sources.origin import FileVersion

_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
    torch.float8_e8m0fnu: "F8_E8M0",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def record_of(name: str, tensor: torch.Tensor) -> TensorRecord:
    file = FileVersion("model.safetensors", 0, "")
    return TensorRecord(name, _NAMES[tensor.dtype], tuple(tensor.shape), file, 0, tensor.numel() * tensor.itemsize)


def stored_of(tensors: Mapping[str, torch.Tensor], settings: Any, **config: Any) -> dict[str, StoredTensor]:
    """What `stored_tensors` says about tensors in memory."""
    records = {name: record_of(name, tensor) for name, tensor in tensors.items()}

    def read(wanted: Sequence[TensorRecord]) -> dict[str, torch.Tensor]:
        return {record.name: tensors[record.name] for record in wanted}

    quantization = {"quantization_config": settings} if settings is not None else {}
    return stored_tensors({"model_type": "llama"} | config | quantization, records, "org/name", read)


def decode(stored: StoredTensor, tensors: Mapping[str, torch.Tensor]) -> torch.Tensor:
    parts = {role: tensors[record.name] for role, record in stored.parts.items()}
    return stored.codec.decode(parts) if stored.codec else parts["weight"]


def decoded_of(tensors: Mapping[str, torch.Tensor], settings: Any, **config: Any) -> dict[str, torch.Tensor]:
    return {name: decode(stored, tensors) for name, stored in stored_of(tensors, settings, **config).items()}


def stored_in(folder: Path) -> tuple[dict[str, StoredTensor], dict[str, torch.Tensor]]:
    """What is in a folder, by way of its headers, and all its bodies."""
    checkpoint = open_checkpoint(str(folder))
    tensors = load_file(folder / "model.safetensors")

    def read(wanted: Sequence[TensorRecord]) -> dict[str, torch.Tensor]:
        return {record.name: tensors[record.name] for record in wanted}

    return stored_tensors(checkpoint.config, checkpoint.tensors, str(folder), read), tensors
