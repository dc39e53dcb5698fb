"""Token ids that somebody else made, as rows in the order of their file."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from gated_ray.activations.encoding import Encoded, Ids
from gated_ray.activations.token_rows import Row
from gated_ray.errors import InputError
from gated_ray.sources.documents import other_file, said
from gated_ray.sources.trees import Tree

_LARGEST = (1 << 31) - 1


class GivenIds:
    """A list of lists of token ids. An empty list is a row without tokens: rows are the entries of the file.

    Args:
        entries: the ids of each document.
    """

    keeps_empty = True

    def __init__(self, entries: list[Ids]) -> None:
        self._entries = entries

    @property
    def found(self) -> int:
        return len(self._entries)

    def behind(self, until: tuple[int, int] | None) -> Iterator[Row]:
        first = 0 if until is None else until[1] + 1
        for number, ids in enumerate(self._entries[first:], first):
            encoded = Encoded(ids, starts=None, text=None, truncated=False, is_empty=not len(ids))
            yield Row((0, number), source=None, source_row=None, encoded=encoded)


def read_ids(tree: Tree) -> GivenIds:
    """The ids of the one JSON file of a place.

    Raises:
        InputError: there is more than one file, or it is no list of lists of ids; the message names the entry.
        GatedRayError: it cannot be had.
    """
    if len(tree.files) != 1:
        raise InputError(f"data.token_ids={tree.place}: give one JSON file, a list of lists of token ids")
    (path,) = tree.files
    where, content = tree.full(path), b"".join(tree.blocks(path))
    try:
        entries = json.loads(content)
    except (ValueError, RecursionError) as error:
        found = other_file(content[:4096])
        raise InputError(f"{where}: {f'is {found}' if found else f'is no JSON ({error})'}") from error
    if not isinstance(entries, list):
        raise InputError(f"{where}: is no list of lists of token ids")
    checked = [_checked(entry, number, where) for number, entry in enumerate(entries)]
    if not any(len(ids) for ids in checked):
        raise InputError(f"{where}: holds no token ids")
    return GivenIds(checked)


def _checked(entry: Any, number: int, where: str) -> Ids:
    if not isinstance(entry, list):
        raise InputError(f"{where}: entry {number} is no list of token ids but {said(entry)}")
    for position, each in enumerate(entry):
        if type(each) is not int or not 0 <= each <= _LARGEST:
            raise InputError(
                f"{where}: entry {number} has {said(each)} at position {position}; ids are whole numbers from 0 to {_LARGEST}"
            )
    return np.array(entry, np.int32)
