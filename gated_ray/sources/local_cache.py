"""What huggingface_hub's local cache holds of a repository. Nothing is ever written to it."""

import os
from pathlib import Path

from huggingface_hub import constants, try_to_load_from_cache

from gated_ray.errors import GatedRayError, ReferenceNotFoundError
from gated_ray.sources.folder import FolderOrigin
from gated_ray.sources.hub_errors import COMMIT
from gated_ray.sources.origin import FileVersion, Location
from gated_ray.sources.shards import weight_files

_CONFIG = "config.json"


def cached_commit(repo: str, revision: str | None) -> str | None:
    """The commit that a revision meant when it was last downloaded; None where the cache does not have it."""
    path = _cached(repo, _CONFIG, revision or constants.DEFAULT_REVISION)
    return path.parent.name if path is not None and COMMIT.fullmatch(path.parent.name) else None


def not_cached(repo: str, revision: str | None, why: str) -> ReferenceNotFoundError:
    """The error to raise where the Hub must not be asked."""
    name = f"{repo}@{revision}" if revision else repo
    download = f"hf download {repo}" + (f" --revision {revision}" if revision else "")
    return ReferenceNotFoundError(
        f"{name}: HF_HUB_OFFLINE is set and the local cache {constants.HF_HUB_CACHE} does not hold it ({why}); "
        f"run `{download}` where there is a network, unset HF_HUB_OFFLINE, or give a folder"
    )


def _cached(repo: str, name: str, revision: str) -> Path | None:
    """A file's path in the cache. Half a download has none, nor has one whose blob is gone."""
    try:
        path = try_to_load_from_cache(repo, name, revision=revision)
    except OSError:  # a cache of somebody else
        return None
    return Path(path) if isinstance(path, str) and os.access(path, os.R_OK) else None


class CachedSnapshot:
    """The files of one commit that are in the cache."""

    def __init__(self, repo: str, commit: str) -> None:
        self._repo = repo
        self._commit = commit
        self._found: dict[FileVersion, tuple[FolderOrigin, FileVersion] | None] = {}

    def files(self) -> dict[str, FileVersion]:
        """The files, as the Hub would list them, where the config and all weights are there.

        Raises:
            GatedRayError: not all of that is there.
        """
        config = _cached(self._repo, _CONFIG, self._commit)
        if config is None:
            raise ReferenceNotFoundError(f"{self._repo}: no {_CONFIG} of this commit in the local cache")
        origin = FolderOrigin(Location("folder", str(config.parent)))
        files = origin.files()
        weight_files(origin, files, self._repo)
        return {name: FileVersion(name, file.size, self._commit) for name, file in files.items()}

    def is_complete(self) -> bool:
        """Whether `files` gives them."""
        try:
            self.files()
        except GatedRayError:
            return False
        return True

    def find(self, file: FileVersion) -> tuple[FolderOrigin, FileVersion] | None:
        """What reads the file from the cache, and as which; None where it is not there with this size."""
        if file not in self._found:
            self._found[file] = self._find(file)
        return self._found[file]

    def _find(self, file: FileVersion) -> tuple[FolderOrigin, FileVersion] | None:
        path = _cached(self._repo, file.path, self._commit)
        if path is None:
            return None
        origin = FolderOrigin(Location("folder", str(path.parent)))
        there = origin.files().get(path.name)
        return (origin, there) if there is not None and there.size == file.size else None
