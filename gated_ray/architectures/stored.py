"""A tensor as the model computes with it, whatever it is stored as."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch

from gated_ray.sources.headers import TensorRecord

FLOATS = ("F64", "F32", "F16", "BF16")
"""Stored dtypes that are numbers as they stand."""


class Codec(Protocol):
    """One way of storing quantized weights. Frozen and picklable: it travels with the unit."""

    @property
    def format(self) -> str:
        """Name of the format, as the models table records it, such as ``fp8-block``."""

    def decode(self, parts: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """The weights, in float32, by the rule that the format documents.

        Args:
            parts: stored tensors by role, whole, or cut to the same range of their first dimension where the decoded
                tensor has three dimensions (experts first).
        """


@dataclass(frozen=True)
class StoredTensor:
    """One tensor of the model, and the stored tensors that hold it.

    Attributes:
        name: of the unquantized model, such as ``model.layers.0.mlp.up_proj.weight``.
        shape: of the weights, after decoding.
        parts: stored tensors by role; of a plain float tensor the one ``weight``.
        codec: None for plain floats.
    """

    name: str
    shape: tuple[int, ...]
    parts: Mapping[str, TensorRecord]
    codec: Codec | None = None

    @property
    def format(self) -> str | None:
        """None for plain floats."""
        return self.codec.format if self.codec else None
