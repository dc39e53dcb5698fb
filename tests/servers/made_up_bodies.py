"""Large files whose bytes are made up as they are asked for, at the cost of sending them.

A file is a head of true bytes and a body cut from one endless repetition of a block of pseudo-random bfloat16 numbers. The
block's length is prime, so that no two rows of a matrix begin at the same place of it; each file begins at a place of its
own.
"""

import os
import re
import threading
import zlib
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import torch

BLOCK_BYTES = 2 * 16_777_213
"""Of the largest prime of bfloat16 numbers below 2^24; half of the usual cache of a server's processor at most."""
_SCALE = 0.02
"""Of the numbers' sizes, which lie within a factor of three as the gains of norms do: they serve as gains too."""


@dataclass(frozen=True)
class MadeUpFile:
    """One file: `head`, then `body_bytes` of the repeated block from `start` (an even offset within it) on."""

    head: bytes
    body_bytes: int
    start: int

    @property
    def size(self) -> int:
        return len(self.head) + self.body_bytes

    def pieces(self, begin: int, end: int) -> list[tuple[int, int]]:
        """Offsets and lengths within the block of the body's bytes in ``[begin, end)``, offsets within the file."""
        found = []
        at = max(begin, len(self.head))
        while at < end:
            offset = (self.start + at - len(self.head)) % BLOCK_BYTES
            length = min(end - at, BLOCK_BYTES - offset)
            found.append((offset, length))
            at += length
        return found


def start_of(name: str) -> int:
    """Where a file of this name begins within the block."""
    return zlib.crc32(name.encode()) % (BLOCK_BYTES // 2) * 2


@cache
def block() -> int:
    """A descriptor of the block, in memory."""
    generator = torch.Generator().manual_seed(0)
    sizes, signs = (torch.rand(BLOCK_BYTES // 2, generator=generator) for _ in range(2))
    numbers = (sizes + 0.5) * _SCALE * torch.where(signs < 0.5, -1.0, 1.0)
    descriptor = os.memfd_create("made-up-block", os.MFD_CLOEXEC)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(memoryview(numbers.to(torch.bfloat16).view(torch.uint8).numpy()))
    return descriptor


class BodyServer(ThreadingHTTPServer):
    """Answers GET of whole files and single byte ranges on a free port of 127.0.0.1, a thread a connection.

    Attributes:
        files: by path.
        etags: by path, without quotes.
        bytes_sent: of bodies, so far.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        block()
        self.files: dict[str, MadeUpFile] = {}
        self.etags: dict[str, str] = {}
        self.bytes_sent = 0
        self._counting = threading.Lock()

    @property
    def origin(self) -> str:
        return f"http://localhost:{self.server_address[1]}"

    def count(self, sent: int) -> None:
        with self._counting:
            self.bytes_sent += sent


class _Handler(BaseHTTPRequestHandler):
    server: BodyServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path not in self.server.files:
            self._head(404, {"Content-Length": "0"})
        else:
            self._send(self.server.files[path], self.server.etags[path])

    def _send(self, file: MadeUpFile, etag: str) -> None:
        begin, end = 0, file.size
        headers = {"Content-Type": "binary/octet-stream", "Accept-Ranges": "bytes", "ETag": f'"{etag}"'}
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if asked:
            begin, end = int(asked[1]), min(int(asked[2]) + 1, file.size)
            if begin >= end:
                self._head(416, {"Content-Range": f"bytes */{file.size}", "Content-Length": "0"})
                return
            headers["Content-Range"] = f"bytes {begin}-{end - 1}/{file.size}"
        self._head(206 if asked else 200, headers | {"Content-Length": str(end - begin)})
        head = file.head[begin:end]
        self.wfile.write(head)
        self.server.count(len(head))
        for offset, length in file.pieces(begin, end):
            while length:
                sent = os.sendfile(self.connection.fileno(), block(), offset, length)
                self.server.count(sent)
                offset, length = offset + sent, length - sent

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: only figures are wanted."""
