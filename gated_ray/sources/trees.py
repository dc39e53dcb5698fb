"""All files at or below a place that a user names: a folder or file, a bucket's prefix or object, a dataset on the Hub."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

import xxhash

from gated_ray.errors import InputError, ReferenceNotFoundError
from gated_ray.s3 import split_s3_url
from gated_ray.sources.bucket import BucketOrigin
from gated_ray.sources.folder import FolderOrigin, said_if_it_takes_long
from gated_ray.sources.hub import hub_endpoint
from gated_ray.sources.hub_datasets import DatasetOrigin, dataset_commit
from gated_ray.sources.origin import FileVersion, Location, Origin

BLOCK = 16 << 20
"""Bytes that are read of a file at a time: so many that several connections bring them."""

_DATASET = re.compile(
    r"hf://datasets/(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>refs/(?:convert/[\w.-]+|pr/\d+)|[^/]+))?(?:/(?P<path>.*))?",
    re.ASCII,
)


@dataclass(frozen=True)
class Tree:
    """Files, each at one immutable state.

    Attributes:
        name: last part of the place.
        place: as the user wrote it.
        origin: reads them.
        files: by path below the place; of a place that is a file, by its name.
        revision: commit of a dataset on the Hub; None elsewhere.
    """

    name: str
    place: str
    origin: Origin
    files: Mapping[str, FileVersion]
    revision: str | None = None

    def full(self, path: str) -> str:
        """A file as messages name it."""
        return self.place if self.place.rpartition("/")[2] == path else f"{self.place.rstrip('/')}/{path}"

    def blocks(self, path: str) -> Iterator[memoryview]:
        """A file's bytes from beginning to end.

        Raises:
            GatedRayError: it changed, or cannot be had.
        """
        file = self.files[path]
        for begin in range(0, file.size, BLOCK):
            yield self.origin.read_spans(file, [(begin, min(begin + BLOCK, file.size))])[0]

    def contents(self, paths: list[str]) -> dict[str, str]:
        """What tells the content of each file: the Hub's digest or S3's ETag; a folder's files are read for an xxh3-64.

        Raises:
            GatedRayError: a file changed, or cannot be had.
        """
        if not isinstance(self.origin, FolderOrigin):
            return {path: self.files[path].version for path in paths}
        size = sum(self.files[path].size for path in paths)
        with said_if_it_takes_long(f"reading {self.place} ({size / 1e9:.1f} GB) to know it by its content"):
            return {path: self._digest(path) for path in paths}

    def _digest(self, path: str) -> str:
        digest = xxhash.xxh3_64()
        for block in self.blocks(path):
            digest.update(block)
        return digest.hexdigest()


def open_tree(place: str, s3_endpoint: str | None = None) -> Tree:
    """List a place.

    Args:
        place: a folder or file, ``s3://bucket/prefix``, or ``hf://datasets/ORG/NAME[@REVISION][/PATH]``.
        s3_endpoint: of ``s3://`` places.

    Raises:
        InputError: it is none of these.
        ReferenceNotFoundError: there is nothing.
        AccessError, TransientError: it cannot be listed.
    """
    if place.startswith("s3://"):
        return _bucket(place, s3_endpoint)
    if place.startswith("hf://"):
        return _dataset(place)
    if "://" in place:
        raise InputError(
            f"{place}: neither a folder or file, nor s3://bucket/prefix, nor hf://datasets/ORG/NAME[@REVISION][/PATH]"
        )
    path = os.path.abspath(os.path.expanduser(place))
    if os.path.isdir(path):
        origin = FolderOrigin(Location("folder", path))
        return Tree(os.path.basename(path), place, origin, origin.all_files())
    folder, name = os.path.split(path)
    if not os.path.isfile(path):
        raise ReferenceNotFoundError(f"{place}: no such folder or file")
    origin = FolderOrigin(Location("folder", folder))
    return Tree(name, place, origin, {name: origin.files()[name]})


def _bucket(place: str, endpoint: str | None) -> Tree:
    bucket, prefix = split_s3_url(place)
    if not bucket:
        raise InputError(f"{place}: name a bucket, as in s3://bucket/prefix")
    folder, _, under = prefix.rpartition("/")
    origin = BucketOrigin(Location("s3", f"s3://{bucket}/{folder}".rstrip("/"), endpoint=endpoint))
    files = _below(under, origin.all_files(under))
    if not files:
        raise ReferenceNotFoundError(f"{place}: no object of this name or below this prefix")
    return Tree((prefix or bucket).rpartition("/")[2], place, origin, files)


def _dataset(place: str) -> Tree:
    match = _DATASET.fullmatch(place)
    if match is None:
        raise InputError(f"{place}: write a dataset of the Hub as hf://datasets/ORG/NAME[@REVISION][/PATH]")
    repo, under = match["repo"], (match["path"] or "").strip("/")
    endpoint = hub_endpoint()
    revision = unquote(match["revision"]) if match["revision"] else None
    commit = dataset_commit(repo, revision, endpoint)
    origin = DatasetOrigin(Location("hub", repo, commit, endpoint))
    files = _below(under, origin.all_files(under))
    return Tree((under or repo).rpartition("/")[2], place, origin, files, commit)


def _below(under: str, files: Mapping[str, FileVersion]) -> dict[str, FileVersion]:
    """The file of that path under its name, or those below that folder by their paths from there."""
    if under in files:
        return {under.rpartition("/")[2]: files[under]}
    folder = f"{under}/" if under else ""
    return {path.removeprefix(folder): file for path, file in files.items() if path.startswith(folder)}
