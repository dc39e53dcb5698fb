"""Folders as the Hub sees them: repositories of revisions, each a commit with its files' digests."""

import hashlib
import json
import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, Literal

DATASETS = "datasets/"
"""Before the name of a repository that is a dataset's, as in the paths of the Hub's pages."""

_LFS_SUFFIXES = {
    ".safetensors",
    ".bin",
    ".pt",
    ".pth",
    ".gguf",
    ".h5",
    ".msgpack",
    ".onnx",
    ".model",
    ".parquet",
    ".gz",
    ".zst",
}
_LFS_BYTES = 10 * 1024 * 1024
"""A file of this size is stored with Git LFS whatever its name."""


@dataclass(frozen=True)
class HubFile:
    """One file of one revision."""

    name: str
    """Path within the repository."""
    path: Path
    size: int
    sha256: str
    oid: str
    """Git's blob id: of the content, or of the pointer file where ``lfs``."""
    lfs: bool
    """Stored with Git LFS, so that it is served from the CDN."""

    @property
    def pointer_size(self) -> int:
        return len(_pointer(self.sha256, self.size))


@dataclass(frozen=True)
class Revision:
    commit: str
    files: dict[str, HubFile]

    @property
    def safetensors(self) -> dict[str, Any] | None:
        """Parameters by dtype and in all, as the headers have them, where there are any that can be read.

        The real Hub counts packed weights, not the elements that they are packed into.
        """
        counts: dict[str, int] = {}
        for file in self.files.values():
            if file.name.endswith(".safetensors") and "/" not in file.name and file.path.is_file():
                for dtype, parameters in _parameters(file.path, file.sha256).items():
                    counts[dtype] = counts.get(dtype, 0) + parameters
        return {"parameters": counts, "total": sum(counts.values())} if counts else None


_ids = count(1)
_seconds = count(1)
_CREATED = "2025-01-01T00:00:00.000Z"


def next_moment() -> str:
    """Of a clock that goes on a second with each look at it."""
    return f"{datetime(2025, 1, 1) + timedelta(seconds=next(_seconds)):%Y-%m-%dT%H:%M:%S}.000Z"


@dataclass
class Repo:
    name: str
    private: bool
    gated: Literal["auto", "manual", False]
    token: str | None
    """The one token that opens it, where it is private or gated."""
    refs: dict[str, Revision] = field(default_factory=dict)
    """By full ref: ``refs/heads/main``, ``refs/tags/v1``, ``refs/pr/1``."""
    commits: dict[str, Revision] = field(default_factory=dict)
    downloads: int = 0
    tags: tuple[str, ...] = ("safetensors",)
    pipeline_tag: str | None = None
    library: str | None = None
    created: str = _CREATED
    modified: str = _CREATED
    """When the last commit was made."""
    id: str = field(default_factory=lambda: f"{next(_ids):024x}")
    """Stays when the name changes."""

    @property
    def labels(self) -> tuple[str, ...]:
        """What the Hub filters by: library and task are tags too."""
        return tuple(label for label in (self.library, *self.tags, self.pipeline_tag) if label)

    @property
    def access(self) -> tuple[object, ...]:
        return self.private, self.gated, self.token

    def admits(self, token: str | None) -> bool:
        return token is not None and token == self.token

    def find(self, revision: str) -> Revision | None:
        """By branch, tag, full ref or 40-hex commit."""
        for ref in (revision, f"refs/heads/{revision}", f"refs/tags/{revision}"):
            if ref in self.refs:
                return self.refs[ref]
        return self.commits.get(revision)


def read_revision(folder: Path, commit: str | None) -> Revision:
    """All files under ``folder``; without ``commit``, one that follows from their paths and contents."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files = [_read_file(path, path.relative_to(folder).as_posix()) for path in paths]
    listing = "\n".join(f"{file.oid} {file.name}" for file in files)
    return Revision(commit or hashlib.sha1(listing.encode()).hexdigest(), {file.name: file for file in files})


def _read_file(path: Path, name: str) -> HubFile:
    stat = path.stat()
    sha256 = _sha256(path, stat.st_size, stat.st_mtime_ns)
    lfs = path.suffix in _LFS_SUFFIXES or stat.st_size >= _LFS_BYTES
    oid = _blob_oid(_pointer(sha256, stat.st_size) if lfs else path.read_bytes())
    return HubFile(name, path, stat.st_size, sha256, oid, lfs)


@cache
def _sha256(path: Path, size: int, mtime_ns: int) -> str:
    """Remembered, as many tests serve the same large checkpoint."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def _parameters(path: Path, sha256: str) -> dict[str, int]:
    """Elements by dtype in a safetensors file; none of one whose header cannot be read."""
    counts: dict[str, int] = {}
    with path.open("rb") as file:
        try:
            header = json.loads(file.read(min(int.from_bytes(file.read(8), "little"), path.stat().st_size)))
            for name, entry in header.items():
                if name != "__metadata__" and entry["shape"]:
                    counts[entry["dtype"]] = counts.get(entry["dtype"], 0) + math.prod(entry["shape"])
        except (ValueError, TypeError, KeyError, AttributeError):
            return {}
    return counts


def _blob_oid(content: bytes) -> str:
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()


def _pointer(sha256: str, size: int) -> bytes:
    """The file that Git stores in place of a large one (Git LFS specification, version 1)."""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()
