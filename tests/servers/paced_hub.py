"""A Hub whose weights come slowly, as over a long wire: so many bytes a second to each connection."""

import socket

from tests.servers.made_up_hub import MadeUpHub

_SO_MAX_PACING_RATE = 47
"""Linux; the module `socket` has no name for it."""


class PacedHub(MadeUpHub):
    """A `MadeUpHub` with a limit.

    Args:
        rate: bytes a second of each connection that weights are asked for on; the first answer on it may be faster.
    """

    def __init__(self, rate: int) -> None:
        super().__init__()
        # Connections take it over from the socket that listens. The system's own pacing costs no CPU.
        self._bodies.socket.setsockopt(socket.SOL_SOCKET, _SO_MAX_PACING_RATE, rate)
