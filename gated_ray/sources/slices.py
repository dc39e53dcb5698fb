"""A run of a tensor along its first dimension: what is read of a tensor that holds many experts."""

from dataclasses import dataclass

from gated_ray.errors import UnsupportedError
from gated_ray.sources.headers import TensorRecord

_LIMIT = 16 << 30
"""Bytes that are read at once; the largest matrix of a released model has a quarter of it."""


@dataclass(frozen=True)
class TensorSlice:
    """Entries `first` to `first + count` of a tensor's first dimension; they lie side by side in the file.

    Attributes:
        record: the stored tensor.
        first, count: None for the whole tensor.

    Raises:
        ValueError: the tensor does not have these entries: other bytes would be read, and look like weights.
        UnsupportedError: more bytes than any model's matrix has. A tensor that is not read may have as many as it likes.
    """

    record: TensorRecord
    first: int | None = None
    count: int | None = None

    def __post_init__(self) -> None:
        first, count = self.first or 0, 1 if self.count is None else self.count
        is_cut = self.first is not None and self.count is not None
        if is_cut and (first < 0 or count < 1 or first + count > (*self.record.shape, 0)[0]):
            raise ValueError(f"tensor {self.record.name} of shape {self.record.shape} has no entries {first} + {count}")
        if self.bytes > _LIMIT:
            raise UnsupportedError(
                f"tensor {self.name} of {self.record.file.path} has {self.bytes} bytes, over the limit of {_LIMIT} for what is "
                f"read at once (shape {self.shape} of {self.record.dtype})"
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """Of what is read; all dimensions are kept."""
        if self.first is None or self.count is None:
            return self.record.shape
        return (self.count, *self.record.shape[1:])

    @property
    def begin(self) -> int:
        """Absolute byte offset within the shard."""
        return self.record.begin + (self.first or 0) * self._stride

    @property
    def bytes(self) -> int:
        return self.record.bytes if self.count is None else self.count * self._stride

    @property
    def end(self) -> int:
        """One past the last byte."""
        return self.begin + self.bytes

    @property
    def name(self) -> str:
        """The tensor's name, with the range where it is not whole."""
        if self.first is None or self.count is None:
            return self.record.name
        return f"{self.record.name}[{self.first}:{self.first + self.count}]"

    @property
    def _stride(self) -> int:
        return self.record.bytes // self.record.shape[0] if self.record.shape and self.record.bytes else 0
