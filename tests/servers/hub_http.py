"""The HTTP layer of the test Hub: responses and byte ranges over keep-alive connections, a thread each."""

import os
import re
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingTCPServer
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from tests.servers.hub_connections import Dripping, reset
from tests.servers.hub_log import Request, RequestLog, Role

_CHUNK = 1 << 22
"""Most bytes of one sendfile call: `Request.bytes_sent` is this near the truth when a client hangs up."""


@dataclass(frozen=True)
class FileBody:
    """``length`` bytes of a file from ``offset``, sent by the kernel."""

    path: Path
    offset: int
    length: int

    def read(self) -> bytes:
        with self.path.open("rb") as file:
            file.seek(self.offset)
            return file.read(self.length)


@dataclass(frozen=True)
class Response:
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | FileBody = b""
    cut_after: int | None = None
    """Break the connection after so many bytes of the body, although Content-Length promises all of it."""
    reset: bool = False
    """Break it with a TCP reset instead of a clean end; before the first byte of the answer where `cut_after` is None."""
    measured: bool = True
    """Say the length; else the body ends where the connection does."""
    drips: Literal["head", "body"] | None = None
    """From there on, send a byte at a time."""

    @property
    def length(self) -> int:
        return len(self.body) if isinstance(self.body, bytes) else self.body.length

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else self.body.read()


def file_response(request: Request, path: Path, headers: dict[str, str]) -> Response:
    """The file, or the one range of it that was asked for (RFC 9110 section 14; several ranges at once get all of it).

    Returns:
        200, 206 or 416.
    """
    size = path.stat().st_size
    headers = {"Accept-Ranges": "bytes", "Content-Type": "binary/octet-stream", **headers}
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", request.range or "")
    first, last = match.groups() if match else ("", "")
    if not (first or last) or (first and last and int(last) < int(first)):
        return Response(200, headers, FileBody(path, 0, size))
    start = int(first) if first else max(size - int(last), 0)
    stop = min(int(last) + 1, size) if first and last else size
    if start >= stop:
        return Response(416, {"Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    return Response(206, headers, FileBody(path, start, stop - start))


class Listener(ThreadingTCPServer):
    """Answers requests on a free port of 127.0.0.1."""

    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, role: Role, answer: Callable[[Request], Response], log: RequestLog) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.role = role
        self.answer = answer
        self.log = log
        self._connections: set[socket.socket] = set()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Hang up on clients that keep their connections open, stop listening and wait for the threads to end."""
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        super().server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no fault of the server; anything else is printed."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: Listener
    protocol_version = "HTTP/1.1"
    # Head and body are written separately: with Nagle's algorithm each response would wait for a delayed ACK (40 ms).
    disable_nagle_algorithm = True

    def _serve(self) -> None:
        url = urlsplit(self.path)
        request = Request(
            role=self.server.role,
            method=self.command,
            path=url.path,
            query=parse_qs(url.query, keep_blank_values=True),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(int(self.headers.get("Content-Length", 0))),
            target=self.path,
        )
        with self.server.log.recording(request):
            response = self.server.answer(request)
            if response.reset and response.cut_after is None:
                self._reset()
                return
            request.status = response.status
            if response.drips == "head":
                self._drip()
            self.send_response(response.status)
            length = {"Content-Length": str(response.length)} if response.measured else {"Connection": "close"}
            for name, value in {**length, **response.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if response.drips == "body":
                self._drip()
            if self.command != "HEAD":
                self._send_body(request, response)
            if response.reset:
                self._reset()

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815

    def _drip(self) -> None:
        self.wfile = Dripping(self.connection)
        self.close_connection = True

    def _reset(self) -> None:
        reset(self.connection)
        self.close_connection = True

    def _send_body(self, request: Request, response: Response) -> None:
        length = response.length
        if response.cut_after is not None and response.cut_after < length:
            length = response.cut_after
            self.close_connection = True
        if isinstance(response.body, bytes) or response.drips:
            self.wfile.write(response.content[:length])
            request.bytes_sent = length
            return
        with response.body.path.open("rb") as file:
            while request.bytes_sent < length:
                offset = response.body.offset + request.bytes_sent
                count = min(length - request.bytes_sent, _CHUNK)
                sent = os.sendfile(self.connection.fileno(), file.fileno(), offset, count)
                if sent == 0:
                    raise EOFError(f"{response.body.path} is shorter than when its size was read")
                request.bytes_sent += sent

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the test log clean: `RequestLog` has it all."""
