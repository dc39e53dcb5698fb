"""A forward proxy on loopback, for plain requests and for tunnels (CONNECT), with a log of what it sees."""

import base64
import socket
import threading
from dataclasses import dataclass
from socketserver import StreamRequestHandler, ThreadingTCPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.servers.pumping import pump

_PATIENCE_SECONDS = 30


@dataclass(frozen=True)
class Seen:
    """One request's head as the proxy read it: of a tunnel, only what the client says to the proxy."""

    method: str
    target: str
    headers: dict[str, str]
    """Names in lower case."""


class ForwardProxy:
    """Between ``with`` and its end.

    Args:
        user, password: what clients must give, if anything.

    Attributes:
        log: requests, refused ones too.
        refused: what clients must not reach, as host and port.
    """

    def __init__(self, user: str = "", password: str = "") -> None:
        self.log: list[Seen] = []
        self.refused: set[str] = set()
        self._expected = f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}" if user else ""
        outer = self

        class Handler(StreamRequestHandler):
            def handle(self) -> None:
                outer._handle(self)

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"http://{user}:{password}@{self.address}" if user else f"http://{self.address}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def hosts(self, method: str) -> set[str]:
        """Host and port that requests of this method asked for."""
        return {
            seen.target if method == "CONNECT" else urlsplit(seen.target).netloc
            for seen in self.log
            if seen.method == method
        }

    def _handle(self, handler: StreamRequestHandler) -> None:
        handler.request.settimeout(_PATIENCE_SECONDS)
        line = handler.rfile.readline().decode("latin-1").split()
        if len(line) != 3:
            return
        headers = {}
        while text := handler.rfile.readline().decode("latin-1").strip():
            name, _, value = text.partition(":")
            headers[name.lower()] = value.strip()
        seen = Seen(line[0], line[1], headers)
        self.log.append(seen)
        if self._expected and headers.get("proxy-authorization") != self._expected:
            _refuse(handler, "407 Proxy Authentication Required")
            return
        if seen.target in self.refused:
            _refuse(handler, "403 Forbidden")
            return
        url = urlsplit(f"//{seen.target}" if seen.method == "CONNECT" else seen.target)
        with socket.create_connection((url.hostname or "", url.port or 80), timeout=_PATIENCE_SECONDS) as server:
            if seen.method == "CONNECT":
                handler.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                path = url.path + (f"?{url.query}" if url.query else "")
                kept = {name: value for name, value in headers.items() if not name.startswith("proxy-")}
                head = "".join(f"{name}: {value}\r\n" for name, value in (kept | {"connection": "close"}).items())
                server.sendall(f"{seen.method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1"))
                server.sendall(handler.rfile.read(int(headers.get("content-length", 0))))
            pump(handler.request, server)


def _refuse(handler: StreamRequestHandler, status: str) -> None:
    handler.wfile.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())


class _Server(ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Either side may hang up."""
