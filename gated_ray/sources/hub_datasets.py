"""A dataset on the Hugging Face Hub, at one commit: its files at any depth, read as those of models are."""

from typing import Any
from urllib.parse import quote

from huggingface_hub import HfApi, constants, hf_hub_url
from huggingface_hub.hf_api import RepoFile

from gated_ray.errors import GatedRayError, InputError, ReferenceNotFoundError
from gated_ray.network import proxy_for, trust_one_bundle
from gated_ray.sources.hub import HubOrigin
from gated_ray.sources.hub_errors import COMMIT, translated_errors
from gated_ray.sources.hub_pages import hub_pages
from gated_ray.sources.origin import FileVersion, Location
from gated_ray.sources.remote.deadline import within
from gated_ray.sources.remote.retry import retried
from gated_ray.sources.resolving import ANSWER_SECONDS


def dataset_commit(repo: str, revision: str | None, endpoint: str) -> str:
    """The commit that a revision of a dataset means now.

    Raises:
        ReferenceNotFoundError, AccessError, TransientError: see `translated_errors`.
        InputError: ``HF_HUB_OFFLINE`` forbids to ask.
    """
    name = _name(repo)
    if constants.HF_HUB_OFFLINE:
        raise InputError(f"{name}: HF_HUB_OFFLINE forbids to ask the Hub; unset it, or give a folder")
    trust_one_bundle()
    proxy_for(endpoint)
    api = HfApi(endpoint=endpoint)

    def ask() -> str | None:
        with translated_errors(endpoint, name, revision):
            return within(
                f"{name}: the Hub at {endpoint}",
                lambda: api.dataset_info(repo, revision=revision, expand=["sha"], timeout=ANSWER_SECONDS).sha,
            )

    sha = retried(ask)
    if not sha or not COMMIT.fullmatch(sha):
        raise GatedRayError(f"{name}: {endpoint} named no commit for it, but {sha!r}")
    return sha


class DatasetOrigin(HubOrigin):
    """Files of one commit of a dataset. The local cache is not looked into.

    Args:
        location: of kind ``hub``: repository, commit and endpoint.
    """

    def __init__(self, location: Location) -> None:
        super().__init__(location, cached=False)

    def all_files(self, under: str = "") -> dict[str, FileVersion]:
        """The files at or below a path, by path. The version of each is git's or Git LFS's digest of its content.

        Raises:
            ReferenceNotFoundError: there is nothing of that path.
            InputError, TransientError: as `hub_pages`, and for a listing that is none.
        """
        found = retried(lambda: self._paths_info(under)) if under else []
        if under and not found:
            raise ReferenceNotFoundError(f"{_name(self._repo)}: holds no {under} at {self._commit[:12]}")
        if found and isinstance(found[0], RepoFile):
            return {under: FileVersion(under, found[0].size, found[0].lfs.sha256 if found[0].lfs else found[0].blob_id)}
        where = f"{self._endpoint}/api/datasets/{self._repo}/tree/{self._commit}/{quote(under)}".rstrip("/")
        files: dict[str, FileVersion] = {}
        for page in hub_pages(self._endpoint, f"{where}?recursive=true", _name(self._repo)):
            files |= {file.path: file for entry in page if (file := self._file(entry))}
        return files

    def _paths_info(self, path: str) -> list[Any]:
        with translated_errors(self._endpoint, _name(self._repo), self._commit):
            return within(
                f"{_name(self._repo)}: the Hub at {self._endpoint}",
                lambda: list(self._api.get_paths_info(self._repo, path, revision=self._commit, repo_type="dataset")),
            )

    def _file(self, entry: Any) -> FileVersion | None:
        """An entry of the listing; None for a folder."""
        try:
            if entry["type"] != "file":
                return None
            content = (entry.get("lfs") or {}).get("oid") or entry["oid"]
            return FileVersion(str(entry["path"]), int(entry["size"]), str(content))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{_name(self._repo)}: a file is listed without its path or size; check HF_ENDPOINT"
            ) from error

    def _url(self, file: FileVersion) -> str:
        return hf_hub_url(self._repo, file.path, revision=self._commit, endpoint=self._endpoint, repo_type="dataset")


def _name(repo: str) -> str:
    """As the user writes it."""
    return f"hf://datasets/{repo}"
