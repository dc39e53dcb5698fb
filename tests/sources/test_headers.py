"""Safetensors headers: what the official library makes of them, without the data and without touching the disk."""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError, deserialize

from gated_ray.errors import CheckpointError
from gated_ray.sources.headers import TensorRecord, read_header
from tests.sources.memory_origin import MemoryOrigin

LIMIT = 25_000_000
OURS = ("twice", "tensor name", "no JSON object", "digits")
"""Words of refusals of what the official library takes."""

WIDTHS = {"F32": 4, "BF16": 2, "U8": 1, "F8_E4M3": 1, "BOOL": 1, "I64": 8}

names = st.sampled_from(["a", "b", "c.weight", "", "é", "\ud800", "__metadata__"]) | st.text(max_size=3)
numbers = (
    st.integers(0, 24)
    | st.integers()
    | st.sampled_from([-1, 2**63, 2**64, 10**30, True, 1.0, 8.0, None, "4", float("nan"), float("inf")])
)
json_values = st.recursive(st.none() | numbers | names, lambda inner: st.lists(inner, max_size=2), max_leaves=4)
Items = list[tuple[str, Any]]
"""The keys and values of a JSON object; a key may stand twice."""


@st.composite
def sound_items(draw: st.DrawFn) -> tuple[Items, int]:
    """A header without a fault, and the bytes of data it stands for."""
    items: Items = []
    end = 0
    printable = st.text(st.characters(codec="utf-8").filter(str.isprintable), min_size=1, max_size=3)
    for name in draw(st.lists(printable, max_size=4, unique=True)):
        dtype = draw(st.sampled_from(sorted(WIDTHS)))
        shape = draw(st.lists(st.integers(0, 3), max_size=3))
        begin, end = end, end + math.prod(shape) * WIDTHS[dtype]
        items.append((name, {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}))
    return draw(st.permutations(items)), end


@st.composite
def spoiled_items(draw: st.DrawFn) -> tuple[Items, int]:
    """One fault, or two, in a header that had none; sometimes what was changed is no fault."""
    items, data = draw(sound_items())
    for _ in range(draw(st.integers(1, 2))):
        if not items:
            break
        index = draw(st.integers(0, len(items) - 1))
        name, entry = items[index]
        match draw(st.integers(0, 6)):
            case 0:
                items = [*items, (name, draw(json_values | st.just(entry)))]
            case 1:
                items = [*items, (draw(names), draw(json_values))]
            case 2:
                data = max(0, data + draw(st.integers(-9, 9)))
            case _ if isinstance(entry, dict):
                field = draw(st.sampled_from(["dtype", "shape", "data_offsets", "more"]))
                value = draw(json_values | st.lists(numbers, max_size=3) | st.sampled_from([*WIDTHS, "F4", "F7"]))
                items = [*items[:index], (name, entry | {field: value}), *items[index + 1 :]]
    return items, data


def _as_json(items: Items) -> bytes:
    text = ",".join(f"{json.dumps(name)}:{json.dumps(value)}" for name, value in items)
    return f"{{{text}}}".encode()


def _file(header: bytes, data: bytes = b"", length: int | None = None) -> bytes:
    return (len(header) if length is None else length).to_bytes(8, "little") + header + data


def _read(content: bytes) -> dict[str, TensorRecord]:
    origin = MemoryOrigin(content)
    return read_header(origin, origin.file, "org/name")


def _official(content: bytes) -> dict[str, tuple[str, tuple[int, ...], bytes]] | None:
    try:
        found = deserialize(content)
    except SafetensorError:
        return None
    return {name: (entry["dtype"], tuple(entry["shape"]), bytes(entry["data"])) for name, entry in found}


@contextmanager
def _refused(words: str) -> Iterator[None]:
    with pytest.raises(CheckpointError) as refusal:
        yield
    assert "\n" not in str(refusal.value)
    assert str(refusal.value).startswith("org/name: model.safetensors: ")
    assert words in str(refusal.value)


def _agrees_with_the_library(content: bytes) -> None:
    official = _official(content)
    refusal = None
    found = {}
    try:
        found = _read(content)
    except CheckpointError as error:
        refusal = str(error)
    if refusal is None:
        assert {name: (r.dtype, r.shape, content[r.begin : r.end]) for name, r in found.items()} == official
    else:
        assert "\n" not in refusal
        assert official is None or any(words in refusal for words in OURS)


@given(sound_items())
def test_a_sound_header_is_read(made: tuple[Items, int]) -> None:
    items, data = made
    content = _file(_as_json(items), bytes(range(256))[:data].ljust(data))
    assert _read(content).keys() == dict(items).keys()
    _agrees_with_the_library(content)


@settings(max_examples=500)
@given(spoiled_items())
def test_a_spoiled_header_is_read_as_the_library_reads_it_or_refused(made: tuple[Items, int]) -> None:
    items, data = made
    _agrees_with_the_library(_file(_as_json(items), bytes(range(256))[:data].ljust(data)))


@given(
    st.binary(max_size=40)
    | json_values.map(lambda value: json.dumps(value).encode())
    | sound_items().map(lambda made: _as_json(made[0]).decode().encode("utf-16")),
    st.none() | st.integers(0, 64) | st.integers(0, 2**64 - 1),
)
def test_anything_else_is_refused(header: bytes, length: int | None) -> None:
    _agrees_with_the_library(_file(header, b"", length))


def test_a_key_that_stands_twice() -> None:
    entry = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    with _refused("twice"):
        _read(_file(_as_json([("a", entry), ("a", entry)]), bytes(4)))


def test_a_header_nested_without_end() -> None:
    with _refused("not JSON"):
        _read(_file(b'{"a":' + b"[" * 100_000))


def test_a_header_of_a_number_without_end() -> None:
    with _refused(""):
        _read(_file(b'{"a":' + b"9" * 10_000 + b"}"))


def test_a_header_over_the_limit_is_not_even_asked_for() -> None:
    origin = MemoryOrigin(_file(b"{}", length=LIMIT + 1), size=1 << 40)
    with _refused("limit"):
        read_header(origin, origin.file, "org/name")
    assert sum(end - begin for begin, end in origin.asked) < 100_000


@pytest.mark.parametrize("claimed", [1 << 40, 1 << 45])
def test_a_sound_shard_of_many_terabytes(claimed: int) -> None:
    """Its data is never read, nor are pages made for it."""
    header = _as_json([("a", {"dtype": "U8", "shape": [claimed], "data_offsets": [0, claimed]})])
    origin = MemoryOrigin(_file(header), size=8 + len(header) + claimed)
    (record,) = read_header(origin, origin.file, "org/name").values()
    assert (record.begin, record.end) == (8 + len(header), origin.file.size)
    assert sum(end - begin for begin, end in origin.asked) < 100_000


@pytest.mark.parametrize("claimed", [1 << 47, 1 << 62, 1 << 63, 1 << 64])
def test_a_file_that_no_disk_holds(claimed: int) -> None:
    header = _as_json([("a", {"dtype": "U8", "shape": [claimed], "data_offsets": [0, claimed]})])
    origin = MemoryOrigin(_file(header), size=8 + len(header) + claimed)
    with _refused("limit"):
        read_header(origin, origin.file, "org/name")


def test_a_long_header_is_read_in_two_ranges() -> None:
    items = [
        (f"t{index:05d}", {"dtype": "U8", "shape": [1], "data_offsets": [index, index + 1]}) for index in range(2000)
    ]
    content = _file(_as_json(items), bytes(2000))
    origin = MemoryOrigin(content)
    assert list(read_header(origin, origin.file, "org/name")) == [name for name, _ in items]
    (zero, first), (second, end) = origin.asked
    assert (zero, second, end) == (0, first, len(content) - 2000)
