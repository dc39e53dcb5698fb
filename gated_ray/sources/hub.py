"""A checkpoint on the Hugging Face Hub: huggingface_hub resolves and authenticates, libcurl brings the bytes."""

import hashlib
import logging
import os
import re
import threading
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from huggingface_hub import HfApi, ModelInfo, constants, hf_hub_url
from huggingface_hub.utils import build_hf_headers

from gated_ray.errors import CheckpointError, GatedRayError, InputError, TransientError
from gated_ray.network import ca_bundle, proxy_for, trust_one_bundle
from gated_ray.sources.buffers import Allocate, new_buffer
from gated_ray.sources.hub_errors import COMMIT, HOW_TO_SIGN_IN, translated_errors
from gated_ray.sources.local_cache import CachedSnapshot, cached_commit, not_cached
from gated_ray.sources.origin import FileVersion, Location, Span
from gated_ray.sources.remote.answers import RemoteFile
from gated_ray.sources.remote.deadline import within
from gated_ray.sources.remote.engine import read_remote, read_whole
from gated_ray.sources.remote.links import Link
from gated_ray.sources.remote.retry import retried
from gated_ray.sources.resolving import ANSWER_SECONDS, DEFAULT_PORTS, locate, origin_of

# At DEBUG they write down the headers of answers, among them the signed URLs that the Hub redirects to.
for _transport in ("httpcore", "httpcore2"):
    logging.getLogger(_transport).setLevel(logging.INFO)

_CONVERSIONS_LOOKED_AT = 20

_ETAG = re.compile(r"(\S+?)=(\S*)")
"""A host and the ETag of its answers, in what a file is known by."""


def hub_endpoint() -> str:
    """The Hub in use: ``HF_ENDPOINT`` as it is now, where huggingface_hub reads it once at import.

    Raises:
        InputError: it is no URL, or holds a password, which would reach messages and the dataset.
    """
    endpoint = (os.environ.get("HF_ENDPOINT", "").strip() or constants.ENDPOINT).rstrip("/")
    try:
        parts = urlsplit(endpoint)
        sound = parts.scheme in DEFAULT_PORTS and parts.hostname and (parts.port is None or parts.port)
    except ValueError:
        sound = False
    if "@" in endpoint:
        raise InputError("HF_ENDPOINT holds a user or password; leave them out, and set HF_TOKEN")
    if not sound or parts.query or parts.fragment:
        said = endpoint.partition("?")[0].partition("#")[0]  # what follows may be a key
        raise InputError(f"HF_ENDPOINT={said}: not the URL of a Hub; write it as https://host")
    return endpoint


def resolve_commit(repo: str, revision: str | None, endpoint: str) -> str:
    """The commit that a branch, tag, pull request or short commit means now, or offline when it was last downloaded.

    Raises:
        ReferenceNotFoundError, AccessError, TransientError: see `translated_errors`.
    """
    with translated_errors(endpoint, repo, revision):
        cached = cached_commit(repo, revision)
    if constants.HF_HUB_OFFLINE:
        if cached is None:
            raise not_cached(repo, revision, "it is not there")
        return cached
    if cached is not None and cached == revision and CachedSnapshot(repo, cached).is_complete():
        return cached
    api = _api(endpoint)
    # What is no folder was taken for a repository.
    hint = " (there is no folder of that name either)"
    try:
        sha = retried(lambda: _model_info(api, repo, revision, hint=hint)).sha
    except TransientError as error:
        if cached is None:
            raise
        raise TransientError(
            f"{error}; the local cache holds {cached[:12]}: to measure that, set HF_HUB_OFFLINE=1"
        ) from error
    if not sha or not COMMIT.fullmatch(sha):
        raise GatedRayError(f"{repo}: {endpoint} named no commit for it, but {sha!r}")
    return sha


def _api(endpoint: str) -> HfApi:
    """The Hub's client.

    Raises:
        InputError: the certificates or the proxy that the environment names cannot be used.
    """
    trust_one_bundle()
    proxy_for(endpoint)
    return HfApi(endpoint=endpoint)


def _model_info(
    api: HfApi, repo: str, revision: str | None, *, files_metadata: bool = False, hint: str = ""
) -> ModelInfo:
    def ask() -> ModelInfo:
        return api.model_info(repo, revision=revision, files_metadata=files_metadata, timeout=ANSWER_SECONDS)

    with translated_errors(api.endpoint, repo, revision, hint=hint):
        return within(f"{repo}: the Hub at {api.endpoint}", ask)


class HubOrigin:
    """Files of one commit. Links are resolved once a file and shared by threads.

    Args:
        location: of the commit.
        cached: whether what the local cache holds may be read there.
    """

    def __init__(self, location: Location, *, cached: bool = True) -> None:
        self._repo = location.address
        self._commit = location.revision
        self._endpoint = location.endpoint or hub_endpoint()
        self._api = _api(self._endpoint)
        self._cache = CachedSnapshot(self._repo, self._commit) if cached else None
        self._links: dict[str, Link] = {}
        self._etags: dict[str, dict[str, str]] = {}
        self._opening = threading.Lock()

    def files(self) -> dict[str, FileVersion]:
        if self._cache is not None:
            try:
                return self._cache.files()
            except GatedRayError as error:
                if constants.HF_HUB_OFFLINE:
                    raise not_cached(self._repo, self._commit, str(error).removeprefix(f"{self._repo}: ")) from error
        info = retried(lambda: _model_info(self._api, self._repo, self._commit, files_metadata=True))
        files = {}
        for entry in info.siblings or ():
            if "/" not in entry.rfilename:
                if entry.size is None:
                    raise InputError(
                        f"{self._repo}: {self._endpoint} lists {entry.rfilename} without its size; check HF_ENDPOINT"
                    )
                files[entry.rfilename] = FileVersion(entry.rfilename, entry.size, self._commit)
        return files

    def read_file(self, file: FileVersion) -> bytes:
        if self._cache is not None and (cached := self._cache.find(file)):
            origin, there = cached
            return origin.read_file(there)
        return read_whole(file.size, self._link(file))

    def read_spans(self, file: FileVersion, spans: Sequence[Span], allocate: Allocate = new_buffer) -> list[memoryview]:
        if self._cache is not None and (cached := self._cache.find(file)):
            origin, there = cached
            return origin.read_spans(there, spans, allocate)
        return read_remote(spans, self._link(file), allocate)

    def seen(self, file: FileVersion) -> FileVersion:
        etags = self._etags.get(file.path, {})
        return replace(file, known_by=" ".join(f"{host}={etag}" for host, etag in etags.items()))

    def content_digest(self, files: Sequence[FileVersion]) -> str:
        """SHA-256 of the commit, which git derives from the content."""
        return hashlib.sha256(self._commit.encode()).hexdigest()

    def missing_weights_advice(self) -> str:
        """The newest pull request that adds safetensors, as an instruction."""
        try:
            with translated_errors(self._endpoint, self._repo):
                ref = within(self._repo, self._conversion)
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
                # Of the file, however often its link is made, and in whatever process.
                etags = self._etags[file.path] = dict(_ETAG.findall(file.known_by))
                self._links[file.path] = Link(lambda: retried(lambda: self._resolve(file, etags)))
            return self._links[file.path]

    def _url(self, file: FileVersion) -> str:
        return hf_hub_url(self._repo, file.path, revision=self._commit, endpoint=self._endpoint)

    def _resolve(self, file: FileVersion, etags: dict[str, str]) -> RemoteFile:
        what = f"{self._repo}: {file.path}"
        url = self._url(file)
        with translated_errors(self._endpoint, self._repo, self._commit):
            location, size = within(what, lambda: locate(url, what))
        if size != file.size:
            raise CheckpointError(f"{what}: the Hub gives two sizes, {file.size} and {size}; try again later")
        is_hub = origin_of(location) == origin_of(self._endpoint)
        headers = build_hf_headers() if is_hub else {}  # with the token: storage hosts must not see it
        return RemoteFile(
            location,
            headers,
            size,
            what,
            HOW_TO_SIGN_IN,
            ca_bundle(),
            proxy_for(location),
            signed=not is_hub,
            etags=etags,
        )


def _pull_number(ref: str) -> int:
    last = ref.rsplit("/", 1)[-1]
    return int(last) if last.isdigit() else -1
