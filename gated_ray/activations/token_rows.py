"""Documents of texts as rows of tokens, one after another."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from gated_ray.activations.documents import Document, Documents
from gated_ray.activations.encoding import CHARACTERS_PER_TOKEN, Encoded
from gated_ray.activations.ordering import place_of
from gated_ray.activations.telling import Told
from gated_ray.activations.text_files import TextFiles
from gated_ray.activations.tokenizers import Tokenizer
from gated_ray.errors import InputError
from gated_ray.settings import DataSettings

_BATCH_DOCUMENTS = 128
_BATCH_CHARACTERS = 1 << 20
"""Tokens of all that is looked at are in memory before documents are cut."""


@dataclass(frozen=True)
class Row:
    """A document's tokens, and where it came from.

    Attributes:
        until: file and row, by which `RowSource.behind` goes on after it.
        source, source_row: as the schema `TOKENS` has them.
        encoded: its tokens.
    """

    until: tuple[int, int]
    source: str | None
    source_row: int | None
    encoded: Encoded


class RowSource(Protocol):
    """Rows in a fixed order."""

    @property
    def found(self) -> int:
        """Documents that there are, known when the first row is given."""

    @property
    def keeps_empty(self) -> bool:
        """Whether a document without tokens is a row of the dataset too."""

    def behind(self, until: tuple[int, int] | None) -> Iterator[Row]:
        """Those behind the one of that file and row; all, where it is None."""


class TextRows:
    """The documents of texts, tokenized.

    Args:
        texts: where they are.
        data: how they are read, ordered and cut.
        tokenizer: makes the tokens.
        told: is told of the reading.
    """

    keeps_empty = False

    def __init__(self, texts: TextFiles, data: DataSettings, tokenizer: Tokenizer, told: Told) -> None:
        self._files = [file.path for file in texts.files]
        self._data = data
        self._tokenizer = tokenizer
        most = CHARACTERS_PER_TOKEN * data.max_length + 1  # one more, which tells that there are more
        self._documents = Documents(texts, data.column, data.seed, most, told.read)

    @property
    def found(self) -> int:
        return self._documents.found

    def behind(self, until: tuple[int, int] | None) -> Iterator[Row]:
        """Raises InputError where a document's text cannot be read, when it is its turn."""
        documents = self._documents.behind(None if until is None else place_of(self._data.seed, *until))
        for batch in _batches(documents):
            texts = [_text(document) for document in batch]
            for document, encoded in zip(
                batch, self._tokenizer.encode_batch(texts, self._data.max_length), strict=True
            ):
                file, row = document.place.file, document.place.row
                yield Row((file, row), self._files[file], row, encoded)


def _batches(documents: Iterator[Document]) -> Iterator[list[Document]]:
    batch: list[Document] = []
    characters = 0
    for document in documents:
        length = len(document.text) if isinstance(document.text, str) else 0
        if batch and (
            len(batch) == _BATCH_DOCUMENTS
            or characters + length > _BATCH_CHARACTERS
            or isinstance(document.text, InputError)
        ):
            yield batch
            batch, characters = [], 0
        batch.append(document)
        characters += length
    if batch:
        yield batch


def _text(document: Document) -> str:
    if isinstance(document.text, InputError):
        raise document.text
    return document.text or ""
