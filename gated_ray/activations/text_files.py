"""Which files of a place hold text, and in which format; what they are known by."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from gated_ray.errors import InputError
from gated_ray.sources.trees import Tree, open_tree

Format = Literal["parquet", "lines", "plain"]

_FORMATS: Mapping[str, Format] = {
    "parquet": "parquet",
    "jsonl": "lines",
    "json": "lines",
    "ndjson": "lines",
    "txt": "plain",
}
_COMPRESSIONS = {"gz": "gzip", "zst": "zstd", "bz2": "bz2", "lz4": "lz4"}
_SUFFIXES = re.compile(rf"\.({'|'.join(_FORMATS)})(?:\.({'|'.join(_COMPRESSIONS)}))?", re.IGNORECASE)
_KNOWN = "*.parquet, *.jsonl, *.json, *.ndjson, *.txt; JSON lines and text also as .gz, .zst, .bz2, .lz4"
_ABOUT_DATASETS = frozenset(
    {"config.json", "dataset_dict.json", "dataset_info.json", "dataset_infos.json", "state.json"}
)
"""What the datasets library leaves beside the data."""
_NAMED = 5


@dataclass(frozen=True)
class TextFile:
    """One file of documents.

    Attributes:
        path: below the place.
        format: ``parquet``, ``lines`` of JSON, or ``plain``, which is one document.
        compression: as pyarrow names it; None for none.
        size: bytes, as stored.
    """

    path: str
    format: Format
    compression: str | None
    size: int


@dataclass(frozen=True)
class TextFiles:
    """The text files of a place, sorted by path."""

    tree: Tree
    files: tuple[TextFile, ...]

    @property
    def name(self) -> str:
        """Last part of the place, without the suffixes of a format."""
        found = _format(self.tree.name)
        return self.tree.name[: found.start()] if found and found.start() else self.tree.name

    @cached_property
    def identity(self) -> dict[str, Any]:
        """Size and content of each file, by path."""
        contents = self.tree.contents([file.path for file in self.files])
        return {file.path: {"size": file.size, "content": contents[file.path]} for file in self.files}


def open_texts(place: str, s3_endpoint: str | None = None) -> TextFiles:
    """The text files at or below a place. Hidden ones, and those whose name or folder begins with ``_``, are left out.

    Raises:
        InputError: there are none; the message names what is there.
        GatedRayError: see `open_tree`.
    """
    tree = open_tree(place, s3_endpoint)
    files = tuple(file for path, version in sorted(tree.files.items()) if (file := _text_file(path, version.size)))
    if not files:
        raise InputError(f"{place}: holds no text ({_KNOWN}) but {_what_is_there(list(tree.files))}")
    return TextFiles(tree, files)


def _text_file(path: str, size: int) -> TextFile | None:
    *folders, name = path.split("/")
    found = _format(name)
    if found is None or name in _ABOUT_DATASETS or any(part.startswith((".", "_")) for part in (*folders, name)):
        return None
    kind, compression = _FORMATS[found[1].lower()], _COMPRESSIONS.get((found[2] or "").lower())
    return None if kind == "parquet" and compression else TextFile(path, kind, compression, size)


def _format(name: str) -> re.Match[str] | None:
    return next((match for match in _SUFFIXES.finditer(name) if match.end() == len(name)), None)


def _what_is_there(paths: list[str]) -> str:
    if not paths:
        return "no files"
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return ", ".join(sorted(paths)[:_NAMED]) + more
