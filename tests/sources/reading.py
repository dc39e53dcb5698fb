"""Tensors as bytes: as the sources read them, and as the files hold them."""

from collections.abc import Sequence
from pathlib import Path

import torch

from gated_ray.sources.checkpoint import Checkpoint, open_origin, read_tensors
from gated_ray.sources.origin import Origin
from gated_ray.sources.slices import TensorSlice
from tests.checkpoints.raw_safetensors import unpack


def as_bytes(tensor: torch.Tensor) -> bytes:
    return tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes()


def read_bytes(checkpoint: Checkpoint, slices: Sequence[TensorSlice], origin: Origin | None = None) -> dict[str, bytes]:
    """Those slices through `origin`, or through one that is opened anew, as another process would."""
    tensors = read_tensors(origin or open_origin(checkpoint.location), slices)
    return {part.name: as_bytes(tensor) for part, tensor in tensors.items()}


def stored_bytes(folder: Path, slices: Sequence[TensorSlice]) -> dict[str, bytes]:
    """The same from a folder, with a reader and an arithmetic of the tests' own."""
    files = {part.record.file.path: unpack(folder / part.record.file.path) for part in slices}
    return {part.name: _cut(files[part.record.file.path][part.record.name].data, part) for part in slices}


def _cut(data: bytes, part: TensorSlice) -> bytes:
    if part.first is None or part.count is None:
        return data
    entry = len(data) // part.record.shape[0]
    return data[part.first * entry :][: part.count * entry]
