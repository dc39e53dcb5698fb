"""A Hugging Face Hub on loopback, near enough to the real one for the real client.

Two hosts, as in the world: the *hub* (127.0.0.1) knows the repositories and checks tokens; large files lie on the *CDN*
(localhost, another port), which the hub redirects to with signed URLs.
"""

import threading
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from tests.servers.hub_api import Hub
from tests.servers.hub_cdn import Cdn
from tests.servers.hub_faults import Hook
from tests.servers.hub_http import Listener, Response
from tests.servers.hub_log import Request, RequestLog
from tests.servers.hub_redirects import LOOP_PATH, redirect_loop
from tests.servers.hub_repos import Repo, next_moment, read_revision


class HubServer:
    """Serves folders as repositories of models and datasets, from threads of this process, between ``with`` and its end.

    Attributes:
        endpoint, cdn_endpoint: of the two hosts.
        faults: hooks that spoil responses (see `tests.servers.hub_faults`).
        tokens: of users who are known but were given access to nothing; `add_repo` adds those that open a repository.
    """

    def __init__(self) -> None:
        self.faults: list[Hook] = []
        self._log = RequestLog()
        self._cdn = Cdn()
        self._hub = Hub(self._cdn)
        self._listeners = (
            Listener("hub", lambda request: self._spoiled(request, self._hub.answer(request)), self._log),
            Listener("cdn", lambda request: self._spoiled(request, self._cdn.answer(request)), self._log),
        )
        self.endpoint = f"http://127.0.0.1:{self._listeners[0].port}"
        self.cdn_endpoint = self._cdn.origin = f"http://localhost:{self._listeners[1].port}"

    def __enter__(self) -> Self:
        for listener in self._listeners:
            threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for listener in self._listeners:
            listener.shutdown()
            listener.server_close()

    @property
    def tokens(self) -> set[str]:
        return self._hub.tokens

    def add_repo(
        self,
        name: str,
        folder: str | Path,
        revision: str = "main",
        *,
        private: bool = False,
        gated: Literal["auto", "manual"] | bool = False,
        token: str | None = None,
        commit: str | None = None,
        downloads: int | None = None,
        tags: tuple[str, ...] | None = None,
        pipeline_tag: str | None = None,
        library: str | None = None,
        created: str | None = None,
    ) -> str:
        """Serve ``folder`` as a revision of the repository, which is made if it is new.

        Args:
            name: ``org/name`` of a model, ``datasets/org/name`` of a dataset.
            revision: a branch, or a full ref such as ``refs/tags/v1`` or ``refs/pr/1``.
            private, gated: who may see it at all, who may read its files.
            token: opens a private or gated repository. These three can be left out for further revisions.
            commit: 40 hex digits; by default they follow from the files' paths and contents.
            downloads, tags, pipeline_tag, library, created: what the listing says and filters and sorts by; ``created`` as
                ISO 8601 in the Hub's form. What is left out of a further revision stays as it is.

        Returns:
            The commit.

        Raises:
            ValueError: the repository exists with other access settings.
        """
        new = Repo(name, private, "manual" if gated is True else gated, token)
        repo = self._hub.repos.get(name, new)
        if (private or gated or token) and repo.access != new.access:
            raise ValueError(f"{name}: all revisions of a repository have the same access")
        if token:
            self.tokens.add(token)
        found = read_revision(Path(folder), commit)
        repo.commits[found.commit] = found
        repo.refs[revision if revision.startswith("refs/") else f"refs/heads/{revision}"] = found
        said = {
            "downloads": downloads,
            "tags": tags,
            "pipeline_tag": pipeline_tag,
            "library": library,
            "created": created,
            "modified": next_moment(),
        }
        for field, value in said.items():
            if value is not None:
                setattr(repo, field, value)
        self._hub.moved.pop(name, None)
        self._hub.repos[name] = repo  # last, as it may be listed from now on
        return found.commit

    def remove_repo(self, name: str) -> None:
        """Delete the repository.

        Raises:
            KeyError: there is none of that name.
        """
        del self._hub.repos[name]

    def rename(self, old: str, new: str) -> None:
        """Redirect requests for ``old`` (``org/name``, or ``name`` alone) to ``new``, which takes its place or is there already.

        Raises:
            ValueError: both are repositories.
        """
        if old in self._hub.repos:
            if new in self._hub.repos:
                raise ValueError(f"{old}: there is a repository {new}")
            self._hub.repos[new] = repo = self._hub.repos[old]
            repo.name = new
        self._hub.moved.pop(new, None)
        self._hub.moved[old] = new
        self._hub.repos.pop(old, None)  # last, as it may be asked for all the time

    def list_in_pages_of(self, models: int) -> None:
        """Make the pages of the listing smaller than the real Hub's of 1000."""
        self._hub.page_size = models

    def redirect_small_files(self) -> None:
        """From now on redirect small files too, to a path of this same host, as the real Hub does for most."""
        self._hub.redirects_small_files = True

    def expire_urls(self) -> None:
        """Let the CDN refuse every URL that was signed so far."""
        self._cdn.expire_urls()

    @property
    def log(self) -> list[Request]:
        """All requests so far, in order of arrival, each with its answer."""
        return self._log.settled()

    def clear_log(self) -> None:
        self._log.clear()

    def hub_requests(self) -> list[Request]:
        """Those sent to the host that may see the token."""
        return [request for request in self.log if request.role == "hub"]

    def cdn_requests(self) -> list[Request]:
        """Those sent to the host that large files lie on."""
        return [request for request in self.log if request.role == "cdn"]

    def weight_bytes_served(self) -> int:
        """Bytes of ``.safetensors`` files sent so far, headers of that format included, HTTP's own not."""
        return sum(request.bytes_sent for request in self.log if (request.file or "").endswith(".safetensors"))

    def _spoiled(self, request: Request, response: Response) -> Response:
        if request.path == LOOP_PATH:
            return redirect_loop(response)
        for hook in self.faults:
            fault = hook(request)
            if fault is not None:
                response = fault(response)
        return response
