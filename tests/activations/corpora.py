"""Made-up texts, and folders of them in every format and layout."""

import gzip
import json
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

Texts = dict[str, list[str | None]]
"""The documents of each file, by its path."""

_WORDS = (
    *("the", "model", "reads", "a", "neuron", "from", "layer", "and", "writes", "it", "to", "x=1;", "...", "1234567"),
    *(
        "Bücher",
        "naïve",
        "Ελληνικά",
        "日本語",
        "🙂",
        "👩\u200d👩\u200d👧",
        "e\u0301",
        "\ufb01ne",
        "\xa0",
        "\t\n\n",
        "a" * 27,
    ),
    *("<|endoftext|>", "<s>", "[SEP]"),
)


def documents(count: int, seed: int = 0, longest: int = 60) -> list[str | None]:
    """Of all lengths, with every kind of character; some are null, empty, or white space alone."""
    rng = random.Random(seed)
    made: list[str | None] = []
    for _ in range(count):
        kind = rng.random()
        if kind < 0.05:
            made.append(rng.choice([None, "", "   ", "\n"]))
        else:
            made.append(" ".join(rng.choice(_WORDS) for _ in range(rng.randint(1, longest))))
    return made


def lines(texts: Sequence[str | None], column: str = "text") -> bytes:
    return "".join(
        json.dumps({"id": number, column: text, "more": {"text": "no"}}, ensure_ascii=number % 2 == 0) + "\n"
        for number, text in enumerate(texts)
    ).encode()


def parquet(texts: Sequence[str | None], path: Path, column: str = "text", **options: object) -> None:
    table = pa.table({"id": list(range(len(texts))), column: pa.array(texts, pa.string())})
    pq.write_table(table, path, **options)


def _write(folder: Path, name: str, content: bytes) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def one_jsonl(folder: Path) -> Texts:
    texts: Texts = {"a.jsonl": documents(300)}
    _write(folder, "a.jsonl", lines(texts["a.jsonl"]))
    return texts


def packed_lines(folder: Path) -> Texts:
    """Some below folders, packed in several ways, with blank lines, without a newline at the end, with a byte order mark."""
    texts: Texts = {
        "deep/er/b.ndjson.gz": documents(120, 1),
        "a.json.zst": documents(90, 2),
        "c.jsonl": [*documents(40, 3), None, *documents(40, 4)],
        "d.JSONL": documents(3, 5),
        "none.jsonl": [],
    }
    _write(folder, "deep/er/b.ndjson.gz", gzip.compress(lines(texts["deep/er/b.ndjson.gz"])))
    _write(folder, "a.json.zst", pa.compress(lines(texts["a.json.zst"]), "zstd", asbytes=True))
    blank = lines(documents(40, 3)) + b"  \r\n" + lines(documents(40, 4)).rstrip(b"\n")
    _write(folder, "c.jsonl", b"\xef\xbb\xbf" + blank)
    _write(folder, "d.JSONL", lines(texts["d.JSONL"]).replace(b"\n", b"\r\n"))
    _write(folder, "none.jsonl", b"")
    _write(folder, "README.md", b"no text")
    _write(folder, ".cache/hidden.jsonl", b"broken")
    _write(folder, "_temporary/half.jsonl", b"broken")
    _write(folder, "dataset_info.json", b"{\n}")
    return texts


def parquet_files(folder: Path) -> Texts:
    """Several row groups, text as a dictionary, as large strings, and no rows at all."""
    texts: Texts = {f"part-{number}.parquet": documents(count, number) for number, count in enumerate((200, 70, 30, 0))}
    folder.mkdir(parents=True, exist_ok=True)
    parquet(texts["part-0.parquet"], folder / "part-0.parquet", row_group_size=17)
    table = pa.table({"text": pa.array(texts["part-1.parquet"], pa.string()).dictionary_encode()})
    pq.write_table(table, folder / "part-1.parquet", row_group_size=50, compression="zstd")
    table = pa.table({"other": [1.5] * 30, "text": pa.array(texts["part-2.parquet"], pa.large_string())})
    pq.write_table(table, folder / "part-2.parquet")
    parquet(texts["part-3.parquet"], folder / "part-3.parquet")
    return texts


def plain_files(folder: Path) -> Texts:
    texts: Texts = {f"{number:02d}/text.txt": [text or ""] for number, text in enumerate(documents(12, 6))}
    for path, (text,) in texts.items():
        _write(folder, path, str(text).encode())
    return texts


def everything(folder: Path) -> Texts:
    texts: Texts = {}
    for name, write in (("lines", packed_lines), ("tables", parquet_files), ("plain", plain_files)):
        texts |= {f"{name}/{path}": found for path, found in write(folder / name).items()}
    return texts


LAYOUTS: Mapping[str, Callable[[Path], Texts]] = {
    "one jsonl": one_jsonl,
    "packed lines": packed_lines,
    "parquet": parquet_files,
    "plain": plain_files,
    "everything": everything,
}
