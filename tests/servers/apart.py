"""A test Hub in a process of its own, so that its work is no part of what is measured beside it."""

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from tests.servers.hub import HubServer


@dataclass(frozen=True)
class Apart:
    """Where the Hub answers, and the process that it runs in."""

    endpoint: str
    pid: int
    _there: Connection

    def ask(self, attribute: str) -> Any:
        """An attribute of the Hub as it is now."""
        self._there.send(attribute)
        return self._there.recv()


@contextmanager
def hub_apart(make: Callable[..., HubServer], *arguments: Any) -> Iterator[Apart]:
    """Run the Hub that ``make(*arguments)`` gives in a process of its own; `make` is a module's function.

    Raises:
        EOFError: the process ended before the Hub stood; it has printed why.
    """
    context = multiprocessing.get_context("spawn")  # a fork would copy the threads' locks as they are
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, make, arguments), daemon=True)
    process.start()
    there.close()
    try:
        yield Apart(here.recv(), process.pid or 0, here)
    finally:
        here.close()  # which the process takes as the word to stop
        process.join()


def _serve(parent: Connection, make: Callable[..., HubServer], arguments: tuple[Any, ...]) -> None:
    with make(*arguments) as server, suppress(EOFError):
        parent.send(server.endpoint)
        while True:
            parent.send(getattr(server, parent.recv()))
