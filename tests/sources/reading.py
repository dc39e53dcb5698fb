"""Tensors as bytes: as the sources read them, and as the files hold them."""

from collections.abc import Sequence
from pathlib import Path

import torch

from gated_ray.sources.checkpoint import Checkpoint, open_origin, read_tensors
from gated_ray.sources.headers import TensorRecord
from gated_ray.sources.origin import Origin
from tests.checkpoints.raw_safetensors import unpack


def as_bytes(tensor: torch.Tensor) -> bytes:
    return tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes()


def read_bytes(
    checkpoint: Checkpoint, records: Sequence[TensorRecord], origin: Origin | None = None
) -> dict[str, bytes]:
    """Those tensors through `origin`, or through one that is opened anew, as another process would."""
    tensors = read_tensors(origin or open_origin(checkpoint.location), records)
    return {name: as_bytes(tensor) for name, tensor in tensors.items()}


def stored_bytes(folder: Path, records: Sequence[TensorRecord]) -> dict[str, bytes]:
    """The same tensors from a folder, with a reader of the tests' own."""
    files = {record.file.path: unpack(folder / record.file.path) for record in records}
    return {record.name: files[record.file.path][record.name].data for record in records}
