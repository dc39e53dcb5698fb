"""Texts that cannot be used: one line that says which file, where, why, and what to do."""

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gated_ray.activations import line_texts
from gated_ray.activations.documents import Documents
from gated_ray.activations.text_files import open_texts
from gated_ray.activations.token_datasets import token_dataset
from gated_ray.activations.tokenizers import Tokenizer
from gated_ray.errors import CheckpointError, GatedRayError, InputError, ReferenceNotFoundError
from gated_ray.settings import DataSettings
from gated_ray.store.objects import Objects
from tests.activations.corpora import lines, parquet

Write = Callable[[Path], object]


def lines_of(*each: bytes) -> Write:
    return lambda path: path.write_bytes(b"\n".join(each))


def damaged_parquet(path: Path) -> None:
    parquet([f"text {number}" for number in range(500)], path, compression="none", use_dictionary=False)
    content = bytearray(path.read_bytes())
    begin = content.index(b"text 250")
    content[begin - 4 : begin + 400] = b"\xff" * 404
    path.write_bytes(content)


def parquet_of(column: str, values: pa.Array) -> Write:
    return lambda path: pq.write_table(pa.table({"id": pa.nulls(len(values)), column: values}), path)


def not_utf8(path: Path) -> None:
    strings = pa.array([b"fine", b"caf\xe9"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"text": strings}), path)


GOOD = b'{"text": "good"}'
CASES: dict[str, tuple[str, Write, str]] = {
    "broken line": (
        "a.jsonl",
        lines_of(GOOD, b'{"text": "b'),
        "a.jsonl: line 2 is no JSON object (Unterminated string",
    ),
    "several lines an object": (
        "a.json",
        lines_of(b"{", b'"text": "b"}'),
        "line 1 is no JSON object (Expecting property name",
    ),
    "JSON array": ("a.json", lines_of(b'[{"text": "b"}]'), "line 1 is no JSON object; write one a line"),
    "numbers": ("a.jsonl", lines_of(GOOD, b"3"), "line 2 is no JSON object; write one a line"),
    "deep": ("a.jsonl", lines_of(b"[" * 200_000), "line 1 is no JSON object (maximum recursion depth"),
    "long number": (
        "a.jsonl",
        lines_of(b'{"text": ' + b"1" * 9999 + b"}"),
        "line 1 is no JSON object (Exceeds the limit",
    ),
    "no such key": (
        "a.jsonl",
        lines_of(b'{"body": "b", "id": 1}'),
        "line 1: has no 'text' but 'body', 'id'; set data.column",
    ),
    "no keys": ("a.jsonl", lines_of(b"{}"), "line 1: has no 'text' but nothing; set data.column"),
    "many keys": (
        "a.jsonl",
        lines_of(json.dumps({f"k{n}": n for n in range(30)}).encode()),
        "'k10', 'k11' and 18 more; set data.column",
    ),
    "a number": ("a.jsonl", lines_of(b'{"text": 3}'), "line 1: 'text' is no text but 3; set data.column"),
    "a list": ("a.jsonl", lines_of(b'{"text": ["b"]}'), "line 1: 'text' is no text but ['b']; set data.column"),
    "half a pair": (
        "a.jsonl",
        lines_of(b'{"text": "a\\ud83d"}'),
        "line 1: its text has half of a surrogate pair (character 1)",
    ),
    "latin-1": (
        "a.jsonl",
        lines_of(GOOD, b'{"text": "\xe9"}'),
        "line 2 is not UTF-8 (byte 10); write one object a line",
    ),
    "LFS pointer": (
        "a.jsonl",
        lines_of(b"version https://git-lfs.github.com/spec/v1", b"oid sha256:0"),
        "line 1 is no JSON object (Expecting value): it is a Git LFS pointer, not the file: run git lfs pull",
    ),
    "HTML page": ("a.jsonl", lines_of(b"<!DOCTYPE html>"), ": it is an HTML page, not the file; download it again"),
    "packed without saying so": (
        "a.jsonl",
        lambda path: path.write_bytes(gzip.compress(GOOD)),
        "it is a gzip archive; unpack it",
    ),
    "not packed": ("a.jsonl.gz", lines_of(GOOD), "a.jsonl.gz: broken lines file (zlib inflate failed"),
    "half a download": (
        "a.jsonl.gz",
        lambda path: path.write_bytes(gzip.compress(GOOD * 99)[:-9]),
        "a.jsonl.gz: broken lines file (Truncated compressed stream); write it again, or leave it out",
    ),
    "no parquet": (
        "a.parquet",
        lines_of(b"PAR1 and nothing else"),
        "a.parquet: broken parquet file (Parquet magic bytes not found",
    ),
    "empty parquet": ("a.parquet", lines_of(b""), "a.parquet: broken parquet file (Parquet file size is 0 bytes)"),
    "damaged parquet": ("a.parquet", damaged_parquet, "a.parquet: broken parquet file ("),
    "no such column": (
        "a.parquet",
        parquet_of("body", pa.array(["b"])),
        "has no column 'text' but id, body; set data.column",
    ),
    "column of numbers": (
        "a.parquet",
        parquet_of("text", pa.array([1])),
        "column 'text' is no text but int64; set data.column",
    ),
    "column of bytes": ("a.parquet", parquet_of("text", pa.array([b"b"])), "column 'text' is no text but binary; set"),
    "column of lists": ("a.parquet", parquet_of("text", pa.array([["b"]])), "column 'text' is no text but list<"),
    "column of numbers as a dictionary": (
        "a.parquet",
        parquet_of("text", pa.array([1, 1]).dictionary_encode()),
        "column 'text' is no text but ",
    ),
    "parquet that is not UTF-8": ("a.parquet", not_utf8, "a.parquet: the text of row 1 is not UTF-8 (byte 3)"),
    "plain text that is not UTF-8": (
        "a.txt",
        lines_of(b"caf\xe9"),
        "a.txt: is not UTF-8; write it again as that, or leave it out",
    ),
    "plain text cut within a character": ("a.txt", lines_of("café".encode()[:-1]), "a.txt: is not UTF-8"),
}


@pytest.mark.parametrize("single", [True, False], ids=["file", "folder"])
@pytest.mark.parametrize("case", CASES)
def test_bad_files(case: str, single: bool, tmp_path: Path, objects: Objects, llama: Tokenizer) -> None:
    name, write, words = CASES[case]
    folder = tmp_path / "texts"
    folder.mkdir()
    write(folder / name)
    with pytest.raises(InputError) as error:
        token_dataset(objects, DataSettings(text=str(folder / name if single else folder)), llama)
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith(str(folder / name))
    assert words in message
    assert message.count(name) == 1
    assert not any("shard" in each.key for each in objects.list(""))


@pytest.mark.parametrize("block", [100, 1 << 20])
def test_a_line_that_is_too_long(
    block: int, tmp_path: Path, objects: Objects, llama: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gated_ray.sources.trees.BLOCK", block)
    monkeypatch.setattr(line_texts, "_LONGEST", 1000)
    (tmp_path / "a.jsonl").write_bytes(lines(["short", "x" * 2000]))
    with pytest.raises(InputError, match=r"a\.jsonl: line 2 has more than 1,000 bytes; not JSON lines"):
        token_dataset(objects, DataSettings(text=str(tmp_path / "a.jsonl")), llama)


def test_a_broken_line_is_an_error_where_it_is_its_turn(tmp_path: Path, objects: Objects, llama: Tokenizer) -> None:
    """So that it does not depend on what else a pass happens to read, and shards before it are kept."""
    texts = [f"text {number}" for number in range(60)]
    broken = lines(texts).replace(b'"text 30"', b'"text 30')
    (tmp_path / "a.jsonl").write_bytes(broken)
    order = [document.place.row for document in Documents(open_texts(str(tmp_path)), "text", 0, most=100).behind(None)]
    before = order.index(30)
    data = DataSettings(text=str(tmp_path / "a.jsonl"), max_tokens=None, shard_tokens=1)
    with pytest.raises(InputError, match="line 31 is no JSON object"):
        token_dataset(objects, data, llama)
    assert len(list(objects.list("tokens/"))) == before - 1, "the last one waits for the row behind it"
    assert token_dataset(objects, replace(data, name="few", max_tokens=before), llama).documents < before


@pytest.mark.parametrize(
    "files", [[], ["a.md", "b.py", "LICENSE", "d", "e", "f", "g"], [".hidden.jsonl", "a.csv"], ["a.parquet.gz"]]
)
def test_no_text(files: list[str], tmp_path: Path) -> None:
    for name in files:
        (tmp_path / name).write_text("{}")
    with pytest.raises(InputError) as error:
        open_texts(str(tmp_path))
    named = ", ".join(sorted(files)[:5]) + (f" and {len(files) - 5} more" if len(files) > 5 else "")
    assert str(error.value) == (
        f"{tmp_path}: holds no text (*.parquet, *.jsonl, *.json, *.ndjson, *.txt; JSON lines and text also as .gz, .zst, "
        f".bz2, .lz4) but {named or 'no files'}"
    )


@pytest.mark.parametrize(
    ("place", "kind", "words"),
    [
        ("/no/such/folder", ReferenceNotFoundError, "/no/such/folder: no such folder or file"),
        (
            "ftp://host/x",
            InputError,
            "ftp://host/x: neither a folder or file, nor s3://bucket/prefix, nor hf://datasets/",
        ),
        (
            "hf://org/name",
            InputError,
            "hf://org/name: write a dataset of the Hub as hf://datasets/ORG/NAME[@REVISION][/PATH]",
        ),
        ("hf://datasets/name", InputError, "write a dataset of the Hub as hf://datasets/ORG/NAME"),
        ("s3:///x", InputError, "s3:///x: name a bucket"),
    ],
)
def test_no_place(place: str, kind: type[GatedRayError], words: str) -> None:
    with pytest.raises(kind) as error:
        open_texts(place)
    assert words in str(error.value)


@pytest.mark.parametrize("texts", [[], [None, "", None]])
def test_nothing_but_empty_documents(
    texts: list[str | None], tmp_path: Path, objects: Objects, llama: Tokenizer
) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines(texts))
    with pytest.raises(InputError, match=f"token dataset 'a': none of {len(texts)} documents has any text"):
        token_dataset(objects, DataSettings(text=str(tmp_path / "a.jsonl")), llama)


def test_a_file_that_changes_while_it_is_read(tmp_path: Path, objects: Objects, llama: Tokenizer) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines(["one"] * 9))
    texts = open_texts(str(path))
    path.write_bytes(lines(["two"] * 9))
    with pytest.raises(CheckpointError, match=r"a\.jsonl: changed while it was being read"):
        list(Documents(texts, "text", 0, most=10).behind(None))


def test_neither_texts_nor_ids(objects: Objects, llama: Tokenizer) -> None:
    with pytest.raises(InputError, match=r"no texts: set data\.text=PATH, or data\.token_ids=FILE"):
        token_dataset(objects, DataSettings(), llama)
