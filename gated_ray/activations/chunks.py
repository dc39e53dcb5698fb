"""What readers of every format give: rows of a file, of which only those that are wanted are turned into text."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gated_ray.errors import InputError

Text = str | InputError | None
"""A document's text; None for null or a blank line; or why it cannot be read, an error only where it is that one's turn."""

Rows = NDArray[np.int64]

Take = Callable[[Rows], Iterator[Text]]


@dataclass(frozen=True)
class Chunk:
    """Consecutive rows of a file. It must be taken from before the next one is asked for.

    Attributes:
        rows: how many.
        bytes: of the file, as stored or unpacked, that they are, about.
        take: the texts of some of them, by their numbers within the chunk, ascending.
    """

    rows: int
    bytes: int
    take: Take


class FileTexts(Protocol):
    """The texts of one file."""

    def chunks(self) -> Iterator[Chunk]:
        """All rows.

        Raises:
            InputError: the file is broken, or has no such column of text.
            GatedRayError: it cannot be had.
        """
