"""A front before an S3 server that can spoil its answers with the faults of the test Hub."""

import http.client
import threading
from dataclasses import replace
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.servers.hub_faults import Hook
from tests.servers.hub_http import Listener, Response
from tests.servers.hub_log import Request, RequestLog
from tests.servers.s3 import S3Server

_PATIENCE_SECONDS = 30
_PER_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length", "expect"}
"""Headers that the front sets anew."""

SLOW_DOWN = (
    b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code><Message>Reduce your rate</Message></Error>'
)


class S3Proxy:
    """Passes requests on, between ``with`` and its end, and keeps a log of them.

    Requests keep their Host header, so that signatures made for the front hold behind it.

    Attributes:
        server: the front as an S3 server.
        faults: hooks that spoil responses (see `tests.servers.hub_faults`).
    """

    def __init__(self, behind: S3Server) -> None:
        self.faults: list[Hook] = []
        self._behind = urlsplit(behind.endpoint_url)
        self._log = RequestLog()
        self._listener = Listener("s3", self._answer, self._log)
        self.server = replace(behind, endpoint_url=f"http://127.0.0.1:{self._listener.port}")

    def __enter__(self) -> Self:
        threading.Thread(target=self._listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown()
        self._listener.server_close()

    @property
    def log(self) -> list[Request]:
        """All requests so far, in order of arrival, each with its answer."""
        return self._log.settled()

    def clear_log(self) -> None:
        self._log.clear()

    def _answer(self, request: Request) -> Response:
        response = self._pass_on(request)
        for hook in self.faults:
            fault = hook(request)
            if fault is not None:
                response = fault(response)
        return response

    def _pass_on(self, request: Request) -> Response:
        connection = http.client.HTTPConnection(
            self._behind.hostname or "", self._behind.port, timeout=_PATIENCE_SECONDS
        )
        try:
            headers = {name: value for name, value in request.headers.items() if name not in _PER_CONNECTION}
            headers["connection"] = "close"
            connection.request(request.method, request.target, request.body or None, headers)
            answer = connection.getresponse()
            body = answer.read()
            kept = {_spelt(name): value for name, value in answer.getheaders() if name.lower() not in _PER_CONNECTION}
            if request.method == "HEAD" and (length := answer.getheader("Content-Length")):
                kept["Content-Length"] = length
            return Response(answer.status, kept, body)
        finally:
            connection.close()


def _spelt(name: str) -> str:
    """A header's name as the faults look for it."""
    return name.title().replace("Etag", "ETag")


def slow_down(_: Response) -> Response:
    """What S3 says to those who ask too often."""
    return Response(503, {"Content-Type": "application/xml"}, SLOW_DOWN)


def expired_request(_: Response) -> Response:
    """What S3 says to a presigned URL whose time has come."""
    body = b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>'
    return Response(403, {"Content-Type": "application/xml"}, body)


def on_objects(request: Request) -> bool:
    """Requests for a byte range of an object."""
    return request.method == "GET" and request.range is not None
