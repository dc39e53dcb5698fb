"""Byte ranges over HTTP with libcurl: of the clients tried, the one that costs least CPU a gigabyte."""

import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import certifi
import pycurl

from gated_ray.errors import CheckpointError, TransientError
from gated_ray.sources.retry import OverloadedError

_CONNECT_SECONDS = 15
_STALL_SECONDS = 30
_STALL_BYTES_PER_SECOND = 1024
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")

_handles = threading.local()


class LinkExpiredError(TransientError):
    """The server refused a signed URL; resolving the file again gives a fresh one."""


@dataclass(frozen=True)
class RemoteFile:
    """A resolved file.

    Attributes:
        url: where its bytes are; may be signed, so it must reach no log and no message.
        headers: request headers for that host.
        size: bytes of the whole file.
        what: the file as messages name it.
    """

    url: str
    headers: Mapping[str, str]
    size: int
    what: str

    def __repr__(self) -> str:
        return f"RemoteFile({self.what!r}, host={urlsplit(self.url).hostname!r})"


def read_range(file: RemoteFile, begin: int, view: memoryview) -> None:
    """Fill `view` with the file's bytes from `begin` on.

    Raises:
        LinkExpiredError: 401 or 403.
        CheckpointError: the file is not what was resolved (gone, or of another size).
        OverloadedError: 429 or 503.
        TransientError: anything that may pass: connection, stall, overload, a cut or wrong answer.
    """
    end = begin + len(view)
    sink = _Sink(view, is_whole=len(view) == file.size)
    curl = _handle()
    try:
        _set_options(curl, file, f"{begin}-{end - 1}", sink)
        curl.perform()
    except pycurl.error as error:
        code = error.args[0]
        if code != pycurl.E_WRITE_ERROR or not sink.refused:
            raise TransientError(f"{file.what}: download failed ({pycurl_reason(code)})") from None
    finally:
        curl.reset()  # connections stay open; headers of one host must not reach the next, nor buffers live on
    _check(file, sink, begin, end)


def pycurl_reason(code: int) -> str:
    """A libcurl error in words; libcurl's own message may quote the URL."""
    reasons = {
        pycurl.E_COULDNT_RESOLVE_HOST: "host name not found",
        pycurl.E_COULDNT_CONNECT: "cannot connect",
        pycurl.E_OPERATION_TIMEDOUT: "stalled or timed out",
        pycurl.E_PARTIAL_FILE: "connection closed before the end",
        pycurl.E_RECV_ERROR: "connection lost",
        pycurl.E_GOT_NOTHING: "server sent nothing",
        pycurl.E_PEER_FAILED_VERIFICATION: "the server's certificate is not trusted",
    }
    return reasons.get(code, f"libcurl error {code}")


class _Sink:
    """Collects one answer: its last status line, its headers, and a body no longer than asked for."""

    def __init__(self, view: memoryview, is_whole: bool) -> None:
        self._view = view
        self.good = (200, 206) if is_whole else (206,)  # a server may ignore a range that spans the file
        self.received = 0
        self.refused = False
        self.status = 0
        self.headers: dict[str, str] = {}

    def header(self, line: bytes) -> None:
        text = line.decode("latin-1").strip()
        if text.startswith("HTTP/"):
            self.status = int(text.split()[1])
            self.headers.clear()
        elif ":" in text:
            key, value = text.split(":", 1)
            self.headers[key.lower()] = value.strip()

    def write(self, data: bytes) -> int:
        if self.status not in self.good or self.received + len(data) > len(self._view):
            self.refused = True
            return 0
        self._view[self.received : self.received + len(data)] = data
        self.received += len(data)
        return len(data)


def _check(file: RemoteFile, sink: _Sink, begin: int, end: int) -> None:
    status = sink.status
    if status in (401, 403):
        raise LinkExpiredError(f"{file.what}: the server refused the link ({status})")
    if status in (404, 410):
        raise CheckpointError(f"{file.what}: no longer there ({status})")
    if status == 416:
        raise CheckpointError(f"{file.what}: shorter than {end} bytes; the file changed after it was resolved")
    if status in (429, 503):
        raise OverloadedError(f"{file.what}: the server is overloaded ({status})", sink.headers.get("retry-after"))
    if status not in sink.good:
        raise TransientError(f"{file.what}: asked for a byte range, the server answered {status}")
    if status == 206:
        _check_content_range(file, sink.headers.get("content-range", ""), begin, end)
    if sink.refused or sink.received != end - begin:
        raise TransientError(f"{file.what}: got {sink.received} of {end - begin} bytes")


def _check_content_range(file: RemoteFile, header: str, begin: int, end: int) -> None:
    match = _CONTENT_RANGE.fullmatch(header)
    if not match or (int(match[1]), int(match[2])) != (begin, end - 1):
        raise TransientError(f"{file.what}: the server sent another range than bytes {begin}-{end - 1}")
    if match[3] not in ("*", str(file.size)):
        raise CheckpointError(f"{file.what}: has {match[3]} bytes, resolved with {file.size}; the file changed")


def _handle() -> pycurl.Curl:
    """This thread's libcurl handle, which keeps its connections open between ranges."""
    if not hasattr(_handles, "curl"):
        _handles.curl = pycurl.Curl()
    return _handles.curl


def _set_options(curl: pycurl.Curl, file: RemoteFile, byte_range: str, sink: _Sink) -> None:
    curl.setopt(pycurl.URL, file.url)
    curl.setopt(pycurl.HTTPHEADER, [f"{key}: {value}" for key, value in file.headers.items()])
    curl.setopt(pycurl.RANGE, byte_range)
    curl.setopt(pycurl.WRITEFUNCTION, sink.write)
    curl.setopt(pycurl.HEADERFUNCTION, sink.header)
    curl.setopt(pycurl.NOSIGNAL, 1)
    curl.setopt(pycurl.FOLLOWLOCATION, 0)
    curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
    curl.setopt(pycurl.CAINFO, os.environ.get("SSL_CERT_FILE") or certifi.where())
    curl.setopt(pycurl.CONNECTTIMEOUT, _CONNECT_SECONDS)
    curl.setopt(pycurl.LOW_SPEED_LIMIT, _STALL_BYTES_PER_SECOND)
    curl.setopt(pycurl.LOW_SPEED_TIME, _STALL_SECONDS)
    curl.setopt(pycurl.BUFFERSIZE, 512 << 10)
