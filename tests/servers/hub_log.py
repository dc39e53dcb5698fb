"""What the test Hub remembers: every request that reached it and how it was answered."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

Role = Literal["hub", "cdn", "s3"]

_SETTLE_SECONDS = 10


@dataclass
class Request:
    """One request: what faults decide on and, once answered, what the log keeps."""

    role: Role
    """Which host it was sent to."""
    method: str
    path: str
    """As sent, percent-encoded, without the query."""
    query: dict[str, list[str]]
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes = b""
    repo: str | None = None
    """Repository, where the request is for a file of one."""
    file: str | None = None
    """That file's path within the repository."""
    target: str = ""
    """Path and query as sent."""
    status: int = 0
    """0 where the connection was reset before any answer."""
    bytes_sent: int = 0
    """Bytes of the response's body that were handed to the connection."""

    @property
    def range(self) -> str | None:
        """The Range header, such as ``bytes=0-99``."""
        return self.headers.get("range")

    @property
    def token(self) -> str | None:
        """The bearer token, if one was sent."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token if scheme.lower() == "bearer" else None


class RequestLog:
    """The requests in order of arrival, readable once none is under way."""

    def __init__(self) -> None:
        self._requests: list[Request] = []
        self._under_way = 0
        self._changed = threading.Condition()

    @contextmanager
    def recording(self, request: Request) -> Iterator[None]:
        """Record ``request``, which is under way until the block ends."""
        with self._changed:
            self._requests.append(request)
            self._under_way += 1
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def settled(self) -> list[Request]:
        """All requests so far, with their answers.

        A client can have its last byte before the server has counted it, so this waits until it has.

        Raises:
            TimeoutError: a request was still being answered after ten seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._under_way == 0, timeout=_SETTLE_SECONDS):
                raise TimeoutError(f"{self._under_way} requests are still being answered")
            return list(self._requests)

    def clear(self) -> None:
        """Forget all requests, once none is under way."""
        self.settled()
        with self._changed:
            self._requests.clear()
