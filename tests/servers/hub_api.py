"""The Hub's own host: its JSON API and the resolving of files, with its refusals, as far as readers of models and datasets go."""

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlencode

from tests.servers.hub_cdn import Cdn
from tests.servers.hub_http import Response, file_response
from tests.servers.hub_listing import FIELDS, MOST, QueryError, described, list_models
from tests.servers.hub_log import Request
from tests.servers.hub_repos import DATASETS, HubFile, Repo, Revision


class RefusalError(Exception):
    """An answer other than the one asked for, with the headers that clients tell the reason by."""

    def __init__(self, status: int, message: str, code: str | None = None, **headers: str) -> None:
        super().__init__(message)
        named = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        self.response = _json({"error": message}, status, named)


class Hub:
    """Repositories and who may read them.

    Attributes:
        repos: by name, those of datasets with `DATASETS` before it.
        moved: new names by old ones; requests for the old are redirected.
        tokens: of registered users. Any other token is refused, even for public repositories.
        page_size: most models on a page of the listing.
        redirects_small_files: send clients on from ``/resolve/`` to a cache URL on this same host for small files too.
    """

    def __init__(self, cdn: Cdn) -> None:
        self.cdn = cdn
        self.repos: dict[str, Repo] = {}
        self.moved: dict[str, str] = {}
        self.tokens: set[str] = set()
        self.page_size = MOST
        self.redirects_small_files = False

    def answer(self, request: Request) -> Response:
        """The response to any request, by method and path."""
        if (request.method, request.path) == ("GET", "/api/models"):
            return self._listing(request)
        for methods, pattern, answer in _ROUTES:
            match = pattern.fullmatch(request.path)
            if match and request.method in methods:
                parts = {name: unquote(part) for name, part in match.groupdict(default="").items()}
                name = (DATASETS if parts.pop("kind") == "datasets" else "") + parts.pop("repo")
                try:
                    if name in self.moved:
                        path = request.path.replace(quote(name), quote(self.moved[name]), 1)
                        return _redirect(307, f"{path}?{urlencode(request.query, doseq=True)}")
                    return answer(self, request, self._repo(request, name), **parts)
                except RefusalError as refusal:
                    return refusal.response
        return _json({"error": "Sorry, we can't find the page you are looking for."}, 404, {})

    def _listing(self, request: Request) -> Response:
        """The models that the caller may know of; gated ones are nobody's secret."""
        try:
            self._check(request.token)
            repos = {repo.id: repo for repo in list(self.repos.values())}  # one that is being renamed has two names
            models = [repo for repo in repos.values() if not repo.name.startswith(DATASETS)]
            known = [repo for repo in models if not repo.private or repo.admits(request.token)]
            page, following = list_models(known, request, self.page_size)
        except RefusalError as refusal:
            return refusal.response
        except QueryError as error:
            return RefusalError(400, str(error)).response
        link = {"Link": f'<http://{request.headers["host"]}{following}>; rel="next"'} if following else {}
        return _json(page, 200, link)

    def _check(self, token: str | None) -> None:
        if token is not None and token not in self.tokens:
            raise RefusalError(401, "Invalid credentials in Authorization header")

    def _repo(self, request: Request, name: str) -> Repo:
        """The repository, if the caller may know that it exists."""
        self._check(request.token)
        repo = self.repos.get(name)
        if repo is not None and (not repo.private or repo.admits(request.token)):
            return repo
        if request.token is None:
            raise RefusalError(401, "Invalid username or password.", "RepoNotFound")
        raise RefusalError(404, "Repository not found", "RepoNotFound")

    def _info(self, request: Request, repo: Repo, revision: str = "") -> Response:
        found = _revision(repo, revision or "main")
        blobs = request.query.get("blobs", [""])[0].lower() in ("1", "true")
        info = described(repo, found, [field for field in FIELDS if field in request.query.get("expand", FIELDS)])
        if "siblings" in info:
            info["siblings"] = [_sibling(file, blobs) for file in found.files.values()]
        return _json(info)

    def _refs(self, request: Request, repo: Repo) -> Response:
        kinds = {"branches": "refs/heads/", "tags": "refs/tags/", "converts": "refs/convert/"}
        if "include_prs" in request.query:
            kinds["pullRequests"] = "refs/pr/"
        return _json(
            {
                kind: [
                    {"name": ref.removeprefix(prefix), "ref": ref, "targetCommit": revision.commit}
                    for ref, revision in repo.refs.items()
                    if ref.startswith(prefix)
                ]
                for kind, prefix in kinds.items()
            }
        )

    def _tree(self, request: Request, repo: Repo, revision: str, path: str) -> Response:
        found = _revision(repo, revision)
        entries = _entries(found, under=path)
        if path and not entries:
            raise RefusalError(404, f"{path} does not exist on {revision!r}", "EntryNotFound")
        if request.query.get("recursive", [""])[0].lower() not in ("1", "true"):
            depth = len(path.split("/")) if path else 0
            entries = [entry for entry in entries if entry["path"].count("/") == depth]
        return _json(entries)

    def _paths_info(self, request: Request, repo: Repo, revision: str) -> Response:
        is_json = request.headers.get("content-type", "").startswith("application/json")
        paths = json.loads(request.body)["paths"] if is_json else parse_qs(request.body.decode()).get("paths", [])
        return _json([entry for entry in _entries(_revision(repo, revision)) if entry["path"] in paths])

    def _resolve(self, request: Request, repo: Repo, revision: str, path: str) -> Response:
        file, commit = self._readable(request, repo, revision, path)
        headers = {"X-Repo-Commit": commit, "X-Linked-Size": str(file.size)}
        if file.lfs:
            headers["X-Linked-Etag"] = f'"{file.sha256}"'
            return _redirect(302, self.cdn.signed_url(repo.name, file), headers)
        if self.redirects_small_files:
            headers["X-Linked-Etag"] = f'"{file.oid}"'
            kind = "" if repo.name.startswith(DATASETS) else "models/"
            location = f"/api/resolve-cache/{kind}{repo.name}/{commit}/{quote(path)}"
            return _redirect(307, f"{location}?{quote(request.path, safe='')}=&etag=%22{file.oid}%22", headers)
        return self._cached(request, repo, commit, path)

    def _cached(self, request: Request, repo: Repo, revision: str, path: str) -> Response:
        file, commit = self._readable(request, repo, revision, path)
        return file_response(request, file.path, {"X-Repo-Commit": commit, "ETag": f'"{file.oid}"'})

    def _readable(self, request: Request, repo: Repo, revision: str, path: str) -> tuple[HubFile, str]:
        """The file, if the caller may read it, and its commit."""
        request.repo, request.file = repo.name, path
        if repo.gated and not repo.admits(request.token):
            restricted = f"Access to model {repo.name} is restricted"
            if request.token is None:
                how = f"{restricted}. You must have access to it and be authenticated to access it. Please log in."
                raise RefusalError(401, how, "GatedRepo")
            how = f"{restricted} and you are not in the authorized list. Visit the model's page to ask for access."
            raise RefusalError(403, how, "GatedRepo")
        found = _revision(repo, revision)
        if path not in found.files:
            raise RefusalError(404, "Entry not found", "EntryNotFound", X_Repo_Commit=found.commit)
        return found.files[path], found.commit


def _revision(repo: Repo, revision: str) -> Revision:
    found = repo.find(revision)
    if found is None:
        raise RefusalError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
    return found


def _sibling(file: HubFile, blobs: bool) -> dict[str, Any]:
    if not blobs:
        return {"rfilename": file.name}
    sibling: dict[str, Any] = {"rfilename": file.name, "blobId": file.oid, "size": file.size}
    if file.lfs:
        sibling["lfs"] = {"sha256": file.sha256, "size": file.size, "pointerSize": file.pointer_size}
    return sibling


def _entries(revision: Revision, under: str = "") -> list[dict[str, Any]]:
    """Files and folders, at any depth."""
    entries: dict[str, dict[str, Any]] = {}
    for file in revision.files.values():
        parts = file.name.split("/")
        for depth in range(1, len(parts)):
            folder = "/".join(parts[:depth])
            entries.setdefault(folder, {"type": "directory", "oid": "0" * 40, "size": 0, "path": folder})
        entries[file.name] = {"type": "file", "oid": file.oid, "size": file.size, "path": file.name}
        if file.lfs:
            lfs = {"oid": file.sha256, "size": file.size, "pointerSize": file.pointer_size}
            entries[file.name]["lfs"] = lfs
    return [entry for path, entry in entries.items() if not under or path.startswith(f"{under}/")]


def _json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    headers = {"Content-Type": "application/json; charset=utf-8", **(headers or {})}
    return Response(status, headers, json.dumps(value).encode())


def _redirect(status: int, location: str, headers: dict[str, str] | None = None) -> Response:
    return Response(status, {"Location": location, **(headers or {})}, f"Redirecting to {location}".encode())


_API = r"/api/(?P<kind>models|datasets)/(?P<repo>[^/]+(?:/[^/]+)?)"
_CACHE = r"/api/resolve-cache/(?P<kind>models|datasets)/(?P<repo>[^/]+(?:/[^/]+)?)"
_PAGE = r"/(?:(?P<kind>datasets)/)?(?P<repo>[^/]+(?:/[^/]+)?)"
_REVISION = r"(?P<revision>[^/]+)"
_ROUTES: tuple[tuple[tuple[str, ...], re.Pattern[str], Callable[..., Response]], ...] = (
    (("GET",), re.compile(f"{_API}/revision/{_REVISION}"), Hub._info),
    (("GET",), re.compile(f"{_API}/refs"), Hub._refs),
    (("GET",), re.compile(f"{_API}/tree/{_REVISION}(?:/(?P<path>.*))?"), Hub._tree),
    (("POST",), re.compile(f"{_API}/paths-info/{_REVISION}"), Hub._paths_info),
    (("GET", "HEAD"), re.compile(f"{_CACHE}/{_REVISION}/(?P<path>.+)"), Hub._cached),
    (("GET",), re.compile(_API), Hub._info),
    (("GET", "HEAD"), re.compile(f"{_PAGE}/resolve/{_REVISION}/(?P<path>.+)"), Hub._resolve),
)
