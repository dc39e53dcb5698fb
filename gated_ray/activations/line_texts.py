"""Texts of JSON lines: every line is a row, and only the lines that are wanted are parsed."""

import codecs
import json
from collections.abc import Iterator

import numpy as np

from gated_ray.activations.chunks import Chunk, Rows, Take, Text
from gated_ray.activations.reading import unpacked_blocks
from gated_ray.activations.text_files import TextFile
from gated_ray.errors import InputError
from gated_ray.sources.documents import other_file, said
from gated_ray.sources.trees import Tree

_LONGEST = 256 << 20
"""Bytes of a line."""
_NEWLINE = ord("\n")
_NAMED = 12
"""Keys that a message names at most."""


class LineTexts:
    """One key of the objects in one file.

    Args:
        tree, file, column, most: as `gated_ray.activations.documents.chunks` has them.
    """

    def __init__(self, tree: Tree, file: TextFile, column: str, most: int) -> None:
        self._tree = tree
        self._file = file
        self._where = tree.full(file.path)
        self._column = column
        self._most = most

    def chunks(self) -> Iterator[Chunk]:
        """A chunk for each block that ends a line."""
        first = 0
        for lines, ends in self._blocks():
            yield Chunk(len(ends), len(lines), self._taker(lines, ends, first))
            first += len(ends)

    def _blocks(self) -> Iterator[tuple[bytes, Rows]]:
        """Whole lines, and where each of them ends."""
        begun: list[bytes] = []
        rows = 0
        for block in unpacked_blocks(self._tree, self._file):
            content = b"".join((*begun, block))
            ends = np.flatnonzero(np.frombuffer(content, np.uint8) == _NEWLINE)
            if len(ends):
                rows += len(ends)
                yield content, ends
                content = content[ends[-1] + 1 :]
            begun = [content] if content else []
            if len(content) > _LONGEST:
                raise self._too_long(rows)
        if begun:
            yield begun[0], np.array([len(begun[0])])

    def _taker(self, lines: bytes, ends: Rows, first: int) -> Take:
        def take(wanted: Rows) -> Iterator[Text]:
            for row in wanted.tolist():
                begin = ends[row - 1] + 1 if row else 0
                yield self._text(lines[begin : ends[row]], first + row)

        return take

    def _text(self, line: bytes, row: int) -> Text:
        where = f"{self._where}: line {row + 1}"
        if len(line) > _LONGEST:
            return self._too_long(row)
        if row == 0:
            line = line.removeprefix(codecs.BOM_UTF8)
        if not line.strip():
            return None
        try:
            found = json.loads(line.decode())
        except UnicodeDecodeError as error:
            return InputError(f"{where} is not UTF-8 (byte {error.start}){self._hint(line, row)}")
        except (ValueError, RecursionError) as error:
            return InputError(f"{where} is no JSON object ({_reason(error)}){self._hint(line, row)}")
        if not isinstance(found, dict):
            return InputError(f"{where} is no JSON object; write one a line")
        if self._column not in found:
            return InputError(f"{where}: has no {self._column!r} but {_named(found)}; set data.column")
        text = found[self._column]
        if text is None:
            return None
        if not isinstance(text, str):
            return InputError(f"{where}: {self._column!r} is no text but {said(text)}; set data.column")
        return _unless_halved(text[: self._most], where)

    def _too_long(self, row: int) -> InputError:
        return InputError(f"{self._where}: line {row + 1} has more than {_LONGEST:,} bytes; not JSON lines")

    def _hint(self, line: bytes, row: int) -> str:
        what = other_file(line[:4096]) if row == 0 else None
        return f": it is {what}" if what else "; write one object a line"


def _unless_halved(text: str, where: str) -> Text:
    """No tokenizer takes half of a surrogate pair, which JSON can write."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return InputError(f"{where}: its text has half of a surrogate pair (character {error.start}); mend the line")
    return text


def _named(found: dict[str, object]) -> str:
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return (", ".join(map(said, list(found)[:_NAMED])) + more) or "nothing"


def _reason(error: Exception) -> str:
    return error.msg if isinstance(error, json.JSONDecodeError) else " ".join(str(error).split())
