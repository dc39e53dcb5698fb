"""The documents of texts in their random order, in passes over the files that keep no more than fits.

A pass keeps the first documents of those that are still to come: whenever what it keeps is too large, the last ones of it are
dropped, and no others behind them are read. The next pass goes on there. How the passes are cut changes no document's place.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from gated_ray.activations.chunks import Chunk, FileTexts, Rows, Text
from gated_ray.activations.line_texts import LineTexts
from gated_ray.activations.ordering import Place, keys
from gated_ray.activations.parquet_texts import ParquetTexts
from gated_ray.activations.plain_texts import PlainTexts
from gated_ray.activations.text_files import Format, TextFile, TextFiles
from gated_ray.sources.trees import Tree

PASS_BYTES = 128 << 20
"""Memory of the texts that a pass keeps; it holds up to twice as much while it reads."""
_OBJECT_BYTES = 300
"""Of a document without its text."""

_READERS: Mapping[Format, Callable[[Tree, TextFile, str, int], FileTexts]] = {
    "parquet": ParquetTexts,
    "lines": LineTexts,
    "plain": PlainTexts,
}


@dataclass(frozen=True, slots=True)
class Document:
    """A document in its place; `text` is cut to what tokens may be made from."""

    place: Place
    text: Text


class Documents:
    """The documents of texts, in the order of their places.

    Args:
        texts: where they are.
        column: of parquet, or key of JSON lines, with the text.
        seed: of the order.
        most: characters that a text is cut to.
        told: is told how many of all bytes of the files a pass has read.

    Attributes:
        found: documents of all files, empty ones included; known when the first one is given.
    """

    def __init__(
        self, texts: TextFiles, column: str, seed: int, most: int, told: Callable[[int, int], None] = lambda *_: None
    ) -> None:
        self._texts = texts
        self._column = column
        self._seed = seed
        self._most = most
        self._told = told
        self.found = 0

    def behind(self, place: Place | None) -> Iterator[Document]:
        """Those whose places are behind that one; all, where it is None.

        Raises:
            InputError: a file is broken, or has no such column of text.
            GatedRayError: a file cannot be had.
        """
        while True:
            some, is_all = self._pass(place)
            yield from some
            if is_all:
                return
            place = some[-1].place

    def _pass(self, place: Place | None) -> tuple[list[Document], bool]:
        """The first documents behind a place, and whether they are all of them."""
        kept = _Kept(place)
        found = read = 0
        total = sum(file.size for file in self._texts.files)
        for number, file in enumerate(self._texts.files):
            first = read_of_file = 0
            for chunk in self._chunks(file):
                self._keep(kept, chunk, number, first)
                first += chunk.rows
                read_of_file = min(read_of_file + chunk.bytes, file.size)
                self._told(read + read_of_file, total)
            found += first
            read += file.size
        self.found = found
        return kept.sorted(), kept.end is None

    def _chunks(self, file: TextFile) -> Iterator[Chunk]:
        return _READERS[file.format](self._texts.tree, file, self._column, self._most).chunks()

    def _keep(self, kept: "_Kept", chunk: Chunk, file: int, first: int) -> None:
        its_keys = keys(self._seed, file, first, chunk.rows)
        wanted: Rows = np.flatnonzero(kept.may_want(its_keys))
        if not len(wanted):
            return
        for row, text in zip(wanted.tolist(), chunk.take(wanted), strict=True):
            kept.keep(Place(int(its_keys[row]), file, first + row), text)


class _Kept:
    """The first documents behind a place, as many as fit.

    Attributes:
        end: place of the first document that did not fit; None while all do.
    """

    def __init__(self, behind: Place | None) -> None:
        self._behind = behind
        self._documents: list[Document] = []
        self._bytes = 0
        self.end: Place | None = None

    def may_want(self, keys: np.typing.NDArray[np.uint64]) -> np.typing.NDArray[np.bool_]:
        """Whether documents of these keys may be kept, before anything else of them is known."""
        wanted = np.ones(len(keys), bool)
        if self._behind is not None:
            wanted &= keys >= np.uint64(self._behind.key)
        if self.end is not None:
            wanted &= keys <= np.uint64(self.end.key)
        return wanted

    def keep(self, place: Place, text: Text) -> None:
        if (self._behind is not None and place <= self._behind) or (self.end is not None and place >= self.end):
            return
        self._documents.append(Document(place, text))
        self._bytes += _bytes(text)
        if self._bytes > 2 * PASS_BYTES:
            self._drop()

    def _drop(self) -> None:
        documents, size = self.sorted(), 0
        for index, document in enumerate(documents):
            size += _bytes(document.text)
            if size > PASS_BYTES and index:
                self.end = document.place
                self._documents = documents[:index]
                self._bytes = size - _bytes(document.text)
                return

    def sorted(self) -> list[Document]:
        """What is kept, in order."""
        return sorted(self._documents, key=lambda document: document.place)


def _bytes(text: Text) -> int:
    return _OBJECT_BYTES + sys.getsizeof(text)
