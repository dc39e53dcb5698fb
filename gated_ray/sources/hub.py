"""A checkpoint on the Hugging Face Hub: huggingface_hub resolves and authenticates, libcurl brings the bytes."""

import hashlib
import os
import threading
from collections.abc import Sequence
from urllib.parse import urlsplit

from huggingface_hub import HfApi, ModelInfo, constants, get_hf_file_metadata, hf_hub_url
from huggingface_hub.utils import build_hf_headers

from gated_ray.errors import CheckpointError, GatedRayError
from gated_ray.sources.answers import RemoteFile
from gated_ray.sources.buffers import Allocate, new_buffer
from gated_ray.sources.certificates import ca_bundle
from gated_ray.sources.deadline import within
from gated_ray.sources.engine import read_remote, read_whole
from gated_ray.sources.hub_errors import COMMIT, HOW_TO_SIGN_IN, translated_errors
from gated_ray.sources.links import Link
from gated_ray.sources.origin import FileVersion, Location, Span
from gated_ray.sources.retry import retried

_CONVERSIONS_LOOKED_AT = 20
_ANSWER_SECONDS = 30


def hub_endpoint() -> str:
    """The Hub in use: ``HF_ENDPOINT`` as it is now, where huggingface_hub reads it once at import."""
    return (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")


def resolve_commit(repo: str, revision: str | None, endpoint: str) -> str:
    """The commit that a branch, tag, pull request or short commit means now.

    Raises:
        ReferenceNotFoundError, AccessError, TransientError: see `translated_errors`.
    """
    api = HfApi(endpoint=endpoint)
    # What is no folder was taken for a repository.
    hint = " (there is no folder of that name either)"
    sha = retried(lambda: _model_info(api, repo, revision, hint=hint)).sha
    if not sha or not COMMIT.fullmatch(sha):
        raise GatedRayError(f"{repo}: {endpoint} named no commit for it, but {sha!r}")
    return sha


def _model_info(
    api: HfApi, repo: str, revision: str | None, *, files_metadata: bool = False, hint: str = ""
) -> ModelInfo:
    def ask() -> ModelInfo:
        return api.model_info(repo, revision=revision, files_metadata=files_metadata, timeout=_ANSWER_SECONDS)

    with translated_errors(api.endpoint, repo, revision, hint=hint):
        return within(f"{repo}: the Hub at {api.endpoint}", ask)


class HubOrigin:
    """Files of one commit. Links are resolved once a file and shared by threads."""

    def __init__(self, location: Location) -> None:
        self._repo = location.address
        self._commit = location.revision
        self._endpoint = location.endpoint or hub_endpoint()
        self._api = HfApi(endpoint=self._endpoint)
        self._links: dict[str, Link] = {}
        self._opening = threading.Lock()

    def files(self) -> dict[str, FileVersion]:
        info = retried(lambda: _model_info(self._api, self._repo, self._commit, files_metadata=True))
        return {
            entry.rfilename: FileVersion(entry.rfilename, entry.size or 0, self._commit)
            for entry in info.siblings or ()
            if "/" not in entry.rfilename
        }

    def read_file(self, file: FileVersion) -> bytes:
        return read_whole(file.size, self._link(file))

    def read_spans(self, file: FileVersion, spans: Sequence[Span], allocate: Allocate = new_buffer) -> list[memoryview]:
        return read_remote(spans, self._link(file), allocate)

    def content_digest(self, files: Sequence[FileVersion]) -> str:
        """SHA-256 of the commit, which git derives from the content."""
        return hashlib.sha256(self._commit.encode()).hexdigest()

    def missing_weights_advice(self) -> str:
        """The newest pull request that adds safetensors, as an instruction."""
        try:
            with translated_errors(self._endpoint, self._repo):
                ref = self._conversion()
        except GatedRayError:  # what the advice is for is the error to report
            ref = None
        if ref:
            return f"use its conversion pull request: {self._repo}@{ref}"
        return "no pull request that converts it was found; convert it with transformers' save_pretrained"

    def _conversion(self) -> str | None:
        refs = self._api.list_repo_refs(self._repo, include_pull_requests=True)
        newest_first = sorted((ref.ref for ref in refs.pull_requests or ()), key=_pull_number, reverse=True)
        for ref in newest_first[:_CONVERSIONS_LOOKED_AT]:
            names = self._api.list_repo_files(self._repo, revision=ref)
            if "model.safetensors" in names or "model.safetensors.index.json" in names:
                return ref
        return None

    def _link(self, file: FileVersion) -> Link:
        with self._opening:
            if file.path not in self._links:
                etags: dict[str, str] = {}  # of the file, however often its link is made
                self._links[file.path] = Link(lambda: retried(lambda: self._resolve(file, etags)))
            return self._links[file.path]

    def _resolve(self, file: FileVersion, etags: dict[str, str]) -> RemoteFile:
        what = f"{self._repo}: {file.path}"
        url = hf_hub_url(self._repo, file.path, revision=self._commit, endpoint=self._endpoint)
        with translated_errors(self._endpoint, self._repo, self._commit):
            metadata = within(what, lambda: get_hf_file_metadata(url, timeout=_ANSWER_SECONDS))
        if metadata.size != file.size:
            raise CheckpointError(f"{what}: the Hub gives two sizes, {file.size} and {metadata.size}; try again later")
        is_hub = _host(metadata.location) == _host(self._endpoint)
        headers = build_hf_headers() if is_hub else {}  # with the token: storage hosts must not see it
        return RemoteFile(
            metadata.location, headers, metadata.size, what, HOW_TO_SIGN_IN, ca_bundle(), signed=not is_hub, etags=etags
        )


def _host(url: str) -> tuple[str, str]:
    return urlsplit(url)[:2]


def _pull_number(ref: str) -> int:
    last = ref.rsplit("/", 1)[-1]
    return int(last) if last.isdigit() else -1
