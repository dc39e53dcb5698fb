"""What servers do to connections besides closing them: reset them, or send a byte at a time."""

import array
import fcntl
import io
import os
import select
import socket
import struct
import termios
import time
from typing import Any

DRIP_SECONDS = 0.02
"""Between two bytes: 50 B/s is far below what any client should put up with."""

_DELIVERY_SECONDS = 2.0


def reset(connection: socket.socket) -> None:
    """Close with a reset (RST) where a clean server would end its side (FIN). What was sent until now is delivered first."""
    _wait_until_delivered(connection)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(connection.detach())  # `close` alone would wait for the files that were made of the socket


class Dripping(io.RawIOBase):
    """Sends a byte at a time, slowly, until the client hangs up or the server is closed."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._client = select.poll()
        self._client.register(connection, select.POLLIN)

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        """Send all of it.

        Raises:
            ConnectionError: one of the two sides has closed the connection.
        """
        sent = bytes(data)
        for index in range(len(sent)):
            if self._client.poll(1000 * DRIP_SECONDS):  # a client that waits for an answer says nothing
                raise ConnectionAbortedError("the connection was closed meanwhile")
            self._connection.sendall(sent[index : index + 1])
        return len(sent)


def _wait_until_delivered(connection: socket.socket) -> None:
    """A reset throws away what the system still holds back for the other side."""
    held_back = array.array("i", [0])
    until = time.monotonic() + _DELIVERY_SECONDS
    while time.monotonic() < until:
        fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, held_back)
        if not held_back[0]:
            return
        time.sleep(0.001)
