"""How far the making of a token dataset is: a bar on a terminal, a line now and then in a log, or events."""

import sys
from collections.abc import Callable
from time import monotonic
from typing import NoReturn, Protocol

from tqdm import tqdm

from gated_ray.lines import LINE_SECONDS, Lines

Emit = Callable[..., None]
"""Writes one event, with its fields."""

_BAR = "{desc}: {n_fmt} tokens [{elapsed}, {rate_fmt}{postfix}]"
_BAR_TO = "{desc} |{bar:20}| {n_fmt}/{total_fmt} tokens [{elapsed}<{remaining}, {rate_fmt}{postfix}]"


class Told(Protocol):
    """Is told how far it is, as often as something is done."""

    def read(self, done: int, total: int) -> None:
        """Bytes of the files that this pass over the texts has read, and of all of them."""

    def made(self, documents: int, tokens: int) -> None:
        """What the dataset has so far."""


class Untold:
    """Tells nobody."""

    def read(self, done: int, total: int) -> None:
        pass

    def made(self, documents: int, tokens: int) -> None:
        pass


class Bar:
    """For people, on stderr.

    Args:
        name: of the dataset.
        max_tokens: that it ends at; None where it has all documents.
    """

    def __init__(self, name: str, max_tokens: int | None) -> None:
        self._name = name
        self._max_tokens = max_tokens
        self._documents = self._tokens = 0
        self._shown: tqdm[NoReturn] | None = None

    def read(self, done: int, total: int) -> None:
        self._say(f"{self._name} (reading texts, {done / 1e9:.2f}/{total / 1e9:.2f} GB)")

    def made(self, documents: int, tokens: int) -> None:
        self._documents, self._tokens = documents, tokens
        self._say(self._name)

    def close(self) -> None:
        """Print the bar as it stands, for good."""
        if self._shown is not None:
            self._shown.close()

    @property
    def _bar(self) -> "tqdm[NoReturn]":
        """Made when there is something to show: what the store holds is not made again."""
        if self._shown is None:
            terminal = sys.stderr.isatty()
            self._shown = tqdm(
                desc=self._name,
                total=self._max_tokens,
                unit="tok",
                unit_scale=True,
                mininterval=0.2 if terminal else LINE_SECONDS,
                miniters=0,
                dynamic_ncols=terminal,
                file=sys.stderr if terminal else Lines(sys.stderr),
                bar_format=_BAR if self._max_tokens is None else _BAR_TO,
            )
        return self._shown

    def _say(self, what: str) -> None:
        bar = self._bar
        bar.set_postfix_str(f"{self._documents:,} documents", refresh=False)
        bar.set_description_str(what, refresh=False)
        bar.update(self._tokens - bar.n)


class Events:
    """For machines: an event every ten seconds.

    Args:
        emit: writes it.
        name: of the dataset.
        tokenizer: its digest.
    """

    def __init__(self, emit: Emit, name: str, tokenizer: str) -> None:
        self._emit = emit
        self._fields = {"dataset": name, "tokenizer": tokenizer}
        self._numbers = dict.fromkeys(("bytes_read", "bytes_to_read", "documents", "tokens"), 0)
        self._said = monotonic()

    def read(self, done: int, total: int) -> None:
        self._take(bytes_read=done, bytes_to_read=total)

    def made(self, documents: int, tokens: int) -> None:
        self._take(documents=documents, tokens=tokens)

    def close(self) -> None:
        """Nothing is left to say."""

    def _take(self, **numbers: int) -> None:
        self._numbers |= numbers
        if monotonic() - self._said >= LINE_SECONDS:
            self._said = monotonic()
            self._emit("tokenizing", **self._fields, **self._numbers)
