"""What every place that holds a checkpoint can do."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gated_ray.sources.buffers import Allocate, new_buffer
from gated_ray.sources.references import Kind

Span = tuple[int, int]
"""First byte and one past the last byte within a file."""


@dataclass(frozen=True)
class Location:
    """Enough to open a checkpoint's files again in another process. Holds no secret.

    Attributes:
        kind: which origin.
        address: repository id, folder, or ``s3://bucket/prefix``.
        revision: commit on the Hub, else empty.
        endpoint: endpoint of the Hub or of S3; None for the default.
    """

    kind: Kind
    address: str
    revision: str = ""
    endpoint: str | None = None


@dataclass(frozen=True)
class FileVersion:
    """One file as it was when the checkpoint was opened.

    Attributes:
        path: within the checkpoint.
        size: bytes.
        version: changes when the content does: commit and path on the Hub, ETag on S3, modification time of a folder's file.
        known_by: what else another process can know the file by; see `Origin.seen`.
    """

    path: str
    size: int
    version: str
    known_by: str = field(default="", compare=False)


class Origin(Protocol):
    """Reads files and byte ranges of one checkpoint. Every method raises members of the error family only."""

    def files(self) -> dict[str, FileVersion]:
        """The checkpoint's files by path, without subfolders."""

    def read_file(self, file: FileVersion) -> bytes:
        """A small file, whole."""

    def read_spans(self, file: FileVersion, spans: Sequence[Span], allocate: Allocate = new_buffer) -> list[memoryview]:
        """The bytes of each span, in memory that `allocate` makes.

        Raises:
            CheckpointError: the file changed or is shorter than a span.
        """

    def seen(self, file: FileVersion) -> FileVersion:
        """The file as what was read of it identifies it; another process that is given it compares with that."""

    def content_digest(self, files: Sequence[FileVersion]) -> str:
        """Hex digest that differs whenever the content of these files does."""

    def missing_weights_advice(self) -> str:
        """What to do about a checkpoint without safetensors files, as the end of a sentence; may be empty."""
