"""One request over HTTP with libcurl: of the clients tried, the one that costs least CPU a gigabyte."""

import os
import re
from typing import Any, Protocol
from urllib.parse import urlsplit

import pycurl

from gated_ray.errors import GatedRayError, InputError, TransientError
from gated_ray.sources.remote.answers import Request, judge

_CONNECT_SECONDS = 15
_STALL_SECONDS = 10
_STALL_BYTES_PER_SECOND = 1024
_DEADLINE_SECONDS = 60
_LEAST_BYTES_PER_SECOND = 64 << 10
"""Of the whole request, besides `_DEADLINE_SECONDS`: a server that drips faster than a stall is given up too."""
_MOST_REDIRECTS = 5
_SUPPRESS_CONNECT_HEADERS = 265
"""CURLOPT_SUPPRESS_CONNECT_HEADERS, which pycurl has no name for: what a proxy says of its tunnel is not the answer."""
_DRAINED = 64 << 10
"""Bytes of an error's body that are read and thrown away, so that the connection can be used again."""
_BUFFER = 512 << 10
_STATUS = re.compile(r"HTTP/[\d.]+ (\d{3})(?: |$)", re.ASCII)


class StoppedError(Exception):
    """The receiver wants no more: somebody else has brought the same bytes, or nobody waits for them any longer."""


class StalledError(TransientError):
    """A server that sends nothing, or too little."""


class Receiver(Protocol):
    """Who gets the bytes."""

    @property
    def wanted(self) -> bool:
        """False stops the request."""

    def append(self, data: bytes | bytearray) -> bool:
        """Take the next bytes; False stops the request."""


def perform(curl: pycurl.Curl, request: Request, receiver: Receiver) -> None:
    """Ask for a range and hand over its bytes, in order, once the answer's head was found to be right.

    Args:
        curl: a handle that no other thread uses meanwhile; it keeps its connections open.
        receiver: gets each piece of the body, never more bytes than were asked for. What it has got when an error is raised
            are good bytes: the next request can go on behind them.

    Raises:
        StoppedError: the receiver said so.
        InputError: the server's certificate is not trusted.
        GatedRayError: what `judge` says of the answer.
        StalledError: too little came in too long a time.
        TransientError: the connection failed, or the body was too short or too long.
    """
    answer = _Answer(request, receiver)
    try:
        _set_options(curl, request, answer)
        curl.perform()
    except pycurl.error as error:
        if answer.stopped:
            raise StoppedError from None
        if (said := curl.getinfo(pycurl.HTTP_CONNECTCODE)) in (403, 407):
            host = urlsplit(request.file.url).hostname
            raise InputError(f"{request.where}: the proxy refuses to connect to {host} ({said})") from None
        if answer.error is None or answer.redirects:
            raise _failure(request, answer.received, error.args[0]) from None
    finally:
        curl.reset()  # connections stay open; headers of one host must not reach the next, nor buffers live on
    if answer.error is not None:
        raise answer.error
    if answer.received != request.end - request.begin:
        raise TransientError(_short(request, answer.received))
    answer.hand_over()


class _Answer:
    """Takes in one answer: heads, those of redirects included, then a body no longer than asked for."""

    def __init__(self, request: Request, receiver: Receiver) -> None:
        self._request = request
        self._receiver = receiver
        self._asked = request.end - request.begin
        self._status = 0
        self._headers: dict[str, str] = {}
        self._drained = 0
        self._held: bytearray | None = None
        """The body of an answer that does not say its length: until its end, nothing tells it from another one's."""
        self.received = 0
        self.stopped = False
        self.error: GatedRayError | None = None

    @property
    def redirects(self) -> bool:
        """Whether the last head leads elsewhere: what went wrong then went wrong there."""
        return 300 <= self._status < 400

    def header(self, line: bytes) -> None:
        text = line.decode("latin-1").strip()
        if found := _STATUS.match(text):
            self._status = int(found[1])
            self._headers.clear()
        elif ":" in text:
            key, value = text.split(":", 1)
            self._headers[key.lower()] = value.strip()
        elif not text and self._status >= 200:
            self.error = judge(self._request, self._status, self._headers)
            is_measured = "content-length" in self._headers and "transfer-encoding" not in self._headers
            self._held = None if is_measured else bytearray()

    def body(self, data: bytes) -> int:
        if self.error is not None or self._status < 200:
            self._drained += len(data)
            return len(data) if self._drained <= _DRAINED else 0
        if self.received + len(data) > self._asked:
            self.error = TransientError(f"{self._request.where}: more than the {self._asked} bytes asked for came")
            return 0
        if self._held is not None:
            self._held += data
        elif not self._receiver.append(data):
            self.stopped = True
            return 0
        self.received += len(data)
        return len(data)

    def hand_over(self) -> None:
        """Let the receiver have what was held back.

        Raises:
            StoppedError: it does not want it any more.
        """
        if self._held and not self._receiver.append(self._held):
            raise StoppedError

    def progress(self, *_: Any) -> int:
        """libcurl asks about once a second even where nothing comes; not 0 stops it."""
        self.stopped = self.stopped or not self._receiver.wanted
        return int(self.stopped)


def _failure(request: Request, received: int, code: int) -> GatedRayError:
    """A libcurl error in our words; libcurl's own message may quote the URL."""
    host = urlsplit(request.file.url).hostname
    if code == pycurl.E_PEER_FAILED_VERIFICATION:
        return InputError(
            f"{request.where}: the certificate of {host} is not trusted; set SSL_CERT_FILE to the certificates to trust"
        )
    if code == pycurl.E_OPERATION_TIMEDOUT:
        return StalledError(f"{_short(request, received)}: {host} stalled")
    reasons = {
        pycurl.E_COULDNT_RESOLVE_HOST: f"no host {host} is known",
        pycurl.E_COULDNT_RESOLVE_PROXY: "the proxy's host is not known",
        pycurl.E_COULDNT_CONNECT: f"cannot connect to {host}",
        pycurl.E_PARTIAL_FILE: "the connection was closed before the end",
        pycurl.E_RECV_ERROR: "the connection was lost",
        pycurl.E_SEND_ERROR: "the connection was lost",
        pycurl.E_GOT_NOTHING: "the server sent nothing",
        pycurl.E_SSL_CONNECT_ERROR: f"no TLS connection to {host} could be made",
        pycurl.E_TOO_MANY_REDIRECTS: "the server redirects in a circle",
    }
    return TransientError(f"{_short(request, received)}: {reasons.get(code, f'libcurl error {code}')}")


def _short(request: Request, received: int) -> str:
    return f"{request.where}: {received} of {request.end - request.begin} bytes came"


def _set_options(curl: pycurl.Curl, request: Request, answer: _Answer) -> None:
    file = request.file
    protocols = pycurl.PROTO_HTTPS if file.url.startswith("https:") else pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS
    curl.setopt(pycurl.URL, file.url.encode())  # as bytes: pycurl refuses text that is not ASCII
    curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
    headers = {"Accept-Encoding": "identity", **file.headers}
    curl.setopt(pycurl.HTTPHEADER, [f"{key}: {value}" for key, value in headers.items()])
    if not request.whole:
        curl.setopt(pycurl.RANGE, f"{request.begin}-{request.end - 1}")
    curl.setopt(pycurl.WRITEFUNCTION, answer.body)
    curl.setopt(pycurl.HEADERFUNCTION, answer.header)
    curl.setopt(pycurl.XFERINFOFUNCTION, answer.progress)
    curl.setopt(pycurl.NOPROGRESS, 0)
    curl.setopt(pycurl.NOSIGNAL, 1)
    curl.setopt(pycurl.FOLLOWLOCATION, int(not file.headers))
    curl.setopt(pycurl.MAXREDIRS, _MOST_REDIRECTS)
    curl.setopt(pycurl.PROTOCOLS, protocols)
    curl.setopt(pycurl.REDIR_PROTOCOLS, protocols)
    is_folder = os.path.isdir(file.ca_bundle)
    for certificates in (pycurl.CAPATH, pycurl.PROXY_CAPATH) if is_folder else (pycurl.CAINFO, pycurl.PROXY_CAINFO):
        curl.setopt(certificates, os.fsencode(file.ca_bundle))
    curl.setopt(pycurl.PROXY, file.proxy.encode())
    curl.setopt(_SUPPRESS_CONNECT_HEADERS, 1)
    curl.setopt(pycurl.CONNECTTIMEOUT, _CONNECT_SECONDS)
    curl.setopt(pycurl.LOW_SPEED_LIMIT, _STALL_BYTES_PER_SECOND)
    curl.setopt(pycurl.LOW_SPEED_TIME, _stall_seconds())
    curl.setopt(pycurl.TIMEOUT, _DEADLINE_SECONDS + (request.end - request.begin) // _LEAST_BYTES_PER_SECOND)
    curl.setopt(pycurl.BUFFERSIZE, _BUFFER)


def _stall_seconds() -> int:
    """``HF_HUB_DOWNLOAD_TIMEOUT``, which users of the Hub's own client set for this."""
    asked = os.environ.get("HF_HUB_DOWNLOAD_TIMEOUT", "")
    return int(asked) if re.fullmatch(r"[1-9]\d{0,3}", asked, re.ASCII) else _STALL_SECONDS
