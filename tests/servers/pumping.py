"""Passing bytes on between two connections, as proxies do."""

import socket
import threading
from contextlib import suppress


def pump(one: socket.socket, other: socket.socket) -> None:
    """Pass on what either side sends, until both have ended."""
    back = threading.Thread(target=_pass_on, args=(other, one), daemon=True)
    back.start()
    _pass_on(one, other)
    back.join()


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):  # a side that is gone
        while data := source.recv(1 << 16):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
