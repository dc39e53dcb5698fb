"""Plain text: a file is a document."""

import codecs
from collections.abc import Iterator

from gated_ray.activations.chunks import Chunk, Rows, Text
from gated_ray.activations.reading import unpacked_blocks
from gated_ray.activations.text_files import TextFile
from gated_ray.errors import InputError
from gated_ray.sources.trees import Tree


class PlainTexts:
    """One file.

    Args:
        tree, file, column, most: as `gated_ray.activations.documents.Documents` has them; there is no column here.
    """

    def __init__(self, tree: Tree, file: TextFile, column: str, most: int) -> None:
        self._tree = tree
        self._file = file
        self._most = most

    def chunks(self) -> Iterator[Chunk]:
        """One chunk of one row."""
        yield Chunk(1, self._file.size, self._take)

    def _take(self, wanted: Rows) -> Iterator[Text]:
        for _ in wanted:
            yield self._text()

    def _text(self) -> Text:
        decoder = codecs.getincrementaldecoder("utf-8-sig")()
        parts: list[str] = []
        length = 0
        try:
            for block in unpacked_blocks(self._tree, self._file):
                parts.append(decoder.decode(bytes(block)))
                length += len(parts[-1])
                if length >= self._most:
                    break
            else:
                parts.append(decoder.decode(b"", final=True))
        except UnicodeDecodeError:
            return InputError(
                f"{self._tree.full(self._file.path)}: is not UTF-8; write it again as that, or leave it out"
            )
        return "".join(parts)[: self._most]
