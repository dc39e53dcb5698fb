"""JSON that anyone may have written, read within bounds: config.json, the index of the shards, the headers."""

import json
import re
import reprlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from gated_ray.errors import CheckpointError

_DEEPEST = 64
_START = 4096
_DIGITS = 40
"""Of a whole number; no library writes more, and longer ones cost time and cannot be printed."""

_NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x9b\ud800-\udfff]")

_OTHER_FILES = (
    (b"version https://git-lfs", "a Git LFS pointer, not the file: run git lfs pull"),
    (b"<!doctype html", "an HTML page, not the file; download it again"),
    (b"<html", "an HTML page, not the file; download it again"),
    (b"<?xml", "an XML page, not the file; download it again"),
    (b"pk\x03\x04", "a zip archive as torch.save makes it, whose pickles can run code and are never opened"),
    (b"\x80\x02", "a pickle, which can run code and is never opened"),
    (b"\x80\x04", "a pickle, which can run code and is never opened"),
    (b"\x80\x05", "a pickle, which can run code and is never opened"),
    (b"\x1f\x8b", "a gzip archive; unpack it"),
    (b"gguf", "a GGUF file, a format that is not read"),
    (b"\x89hdf", "an HDF5 file, a format that is not read"),
)

_short = reprlib.Repr()
_short.maxstring = _short.maxother = _short.maxlong = 100
_short.maxlevel, _short.maxlist, _short.maxdict = 3, 6, 6


@dataclass(frozen=True)
class Bounds:
    """What a document may hold at most; what Python makes of it takes about 300 bytes an object or key, 50 a value.

    What stands in strings is counted too.
    """

    objects: int
    keys: int
    values: int


def said(value: object) -> str:
    """A value of a document as a message shows it: in one line, cut where it is long."""
    return _short.repr(value)


def other_file(start: bytes) -> str | None:
    """What a file is that is not what its name says, told by how it begins; None where that tells nothing.

    Args:
        start: up to some kilobytes.
    """
    if start and not start.strip(b"\0"):
        return "nothing but zeros, a download that did not finish; download it again"
    begin = start[:64].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return next((words for magic, words in _OTHER_FILES if begin.startswith(magic)), None)


def parse_object(content: bytes, what: str, bounds: Bounds) -> dict[str, Any]:
    """A JSON object in UTF-8, as Python's `json` gives it; NaN and Infinity, which config.json of real models has, are kept.

    A key may stand twice where it has the same value both times: then nothing depends on which one counts.

    Args:
        content: of the whole document.
        what: checkpoint and file, for messages.
        bounds: of what it may hold.

    Raises:
        CheckpointError: no such object, or one that no program writes: nested beyond 64 levels, a whole number of more than
            40 digits, text with halves of surrogate pairs or with control characters (line breaks are none).
    """
    check_bounds(content, what, bounds)
    start = content[:_START]
    try:
        text = content.decode()
        del content  # a large one need not be there twice
        parsed = json.loads(text, object_pairs_hook=_object_maker(what), parse_int=_whole_number)
    except RecursionError as error:
        raise CheckpointError(f"{what} is not JSON that is read: nested deeper than {_DEEPEST} levels") from error
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{what} is not JSON (not UTF-8 at byte {error.start})") from error
    except ValueError as error:
        found = other_file(start)
        raise CheckpointError(f"{what} is {found}" if found else f"{what} is not JSON ({error})") from error
    if not isinstance(parsed, dict):
        raise CheckpointError(f"{what} is no JSON object")
    _check(parsed, what)
    return parsed


def check_bounds(content: bytes, what: str, bounds: Bounds) -> None:
    """Raise CheckpointError for JSON of more values than the bounds allow, before any memory is spent on them."""
    for kind, most, count in (
        ("objects", bounds.objects, content.count(b"{")),
        ("keys", bounds.keys, content.count(b":")),
        ("values", bounds.values, content.count(b",") + content.count(b"[")),
    ):
        if count > most:
            raise CheckpointError(f"{what} has some {count} {kind}, over the limit of {most}")


def _object_maker(what: str) -> Callable[[Sequence[tuple[str, Any]]], dict[str, Any]]:
    """How objects are made of their pairs, of which no two may differ under one key."""

    def make(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            for key, value in pairs:
                if found[key] is not value and repr(found[key]) != repr(value):  # a NaN is not equal to itself
                    raise CheckpointError(f"{what} has {said(key)} twice, and not the same; which is meant?")
        return found

    return make


class _TooLong(str):
    """The digits of a number that is not made."""

    __slots__ = ()


def _whole_number(digits: str) -> int | _TooLong:
    return int(digits) if len(digits) <= _DIGITS else _TooLong(digits)


def _check(document: dict[str, Any], what: str) -> None:
    ahead: list[tuple[str, int, dict[str, Any] | list[Any]]] = [("", 1, document)]
    while ahead:
        key, depth, container = ahead.pop()
        if depth > _DEEPEST:
            raise CheckpointError(f"{what} is nested deeper than {_DEEPEST} levels under {said(key)}")
        pairs: Iterable[tuple[str, Any]] = (
            container.items() if isinstance(container, dict) else ((key, each) for each in container)
        )
        for name, value in pairs:
            if isinstance(value, dict | list):
                ahead.append((name, depth + 1, value))
            elif isinstance(value, _TooLong):
                raise CheckpointError(f"{what} says {said(name)}={value[:9]}..., a number of {len(value)} digits")
            elif isinstance(value, str) and not _is_text(value):
                raise CheckpointError(f"{what} says {said(name)}={said(value)}, which is no text")
            if not _is_text(name):
                raise CheckpointError(f"{what} has the key {said(name)}, which is no text")


def _is_text(text: str) -> bool:
    """False for half a surrogate pair, which no file can hold, and for escapes, which steer a terminal that prints them."""
    return _NO_TEXT.search(text) is None
