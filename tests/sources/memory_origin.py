"""A checkpoint's files in memory, which may claim to be larger than they are."""

from collections.abc import Sequence

from gated_ray.sources.origin import FileVersion, Span


class MemoryOrigin:
    """Serves one file; what lies beyond its content reads as zeros, up to the claimed size.

    Attributes:
        asked: every span that was read.
    """

    def __init__(self, content: bytes, size: int | None = None) -> None:
        self._content = content
        self.file = FileVersion("model.safetensors", len(content) if size is None else size, "1")
        self.asked: list[Span] = []

    def files(self) -> dict[str, FileVersion]:
        return {self.file.path: self.file}

    def read_file(self, file: FileVersion) -> bytes:
        return self._content

    def read_spans(self, file: FileVersion, spans: Sequence[Span]) -> list[memoryview]:
        assert all(0 <= begin <= end <= file.size for begin, end in spans)
        self.asked += spans
        return [memoryview(self._content[begin:end].ljust(end - begin, b"\0")) for begin, end in spans]

    def seen(self, file: FileVersion) -> FileVersion:
        return file

    def content_digest(self, files: Sequence[FileVersion]) -> str:
        return "0" * 64

    def missing_weights_advice(self) -> str:
        return ""
