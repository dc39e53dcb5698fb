"""A quantized checkpoint as its config and headers show it: what the readers of the formats decide from."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from gated_ray.errors import CheckpointError, UnsupportedError
from gated_ray.sources.headers import TensorRecord

Reader = Callable[[Sequence[TensorRecord]], Mapping[str, torch.Tensor]]
"""Whole tensors by name, of their stored dtype and shape."""

FP8 = ("F8_E4M3", "F8_E5M2")


@dataclass(frozen=True)
class Quantized:
    """A checkpoint that says how it is quantized.

    Attributes:
        settings: its quantization_config.
        tensors: what the headers name.
        ref: the checkpoint, for messages.
        read: for the one format that keeps shapes in tensor bodies.
    """

    settings: Mapping[str, Any]
    tensors: Mapping[str, TensorRecord]
    ref: str
    read: Reader | None = None

    def stems(self, suffix: str) -> Iterator[str]:
        """Names without this suffix, of the tensors that have it."""
        for name in self.tensors:
            if name.endswith(suffix):
                yield name.removesuffix(suffix)

    def need(self, name: str, beside: str) -> TensorRecord:
        """A tensor without which another means nothing."""
        if name not in self.tensors:
            raise self.broken(f"tensor {beside} lacks {name}, which its quantization needs")
        return self.tensors[name]

    def need_dtype(self, record: TensorRecord, *dtypes: str) -> None:
        if record.dtype not in dtypes:
            raise self.unsupported(
                f"tensor {record.name} is stored as {record.dtype}; quant_method {self.method!r} has {' or '.join(dtypes)}"
            )

    @property
    def method(self) -> str:
        return str(self.settings.get("quant_method"))

    def disagree(self, weight: TensorRecord, other: TensorRecord) -> CheckpointError:
        return self.broken(
            f"{other.name} of shape {other.shape} does not fit {weight.name} of shape {weight.shape} "
            f"by what quantization_config says"
        )

    def broken(self, text: str) -> CheckpointError:
        return CheckpointError(f"{self.ref}: {text}")

    def unsupported(self, text: str) -> UnsupportedError:
        return UnsupportedError(f"{self.ref}: {text}; use the unquantized model")
