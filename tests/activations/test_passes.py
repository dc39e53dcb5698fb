"""The documents in their order do not depend on how much a pass keeps, nor on where it begins."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gated_ray.activations import documents as module
from gated_ray.activations import line_texts, parquet_texts, reading
from gated_ray.activations.documents import Document, Documents
from gated_ray.activations.ordering import Place
from gated_ray.activations.text_files import open_texts
from tests.activations.corpora import everything, lines, parquet
from tests.activations.naive import naive_key

TEXT = st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), max_size=12))
FILES = st.lists(
    st.tuples(st.sampled_from(["jsonl", "parquet", "txt"]), st.lists(TEXT, max_size=15)), min_size=1, max_size=4
)


def write(folder: Path, files: list[tuple[str, list[str | None]]], rows: int) -> dict[str, list[str | None]]:
    """The texts of each file, as it can hold them."""
    found: dict[str, list[str | None]] = {}
    for number, (suffix, texts) in enumerate(files):
        path = folder / f"{number}.{suffix}"
        if suffix == "jsonl":
            path.write_bytes(lines(texts))
            found[path.name] = texts
        elif suffix == "parquet":
            parquet(texts, path, row_group_size=rows)
            found[path.name] = texts
        else:
            text = (texts[0] if texts else None) or ""
            path.write_bytes(text.encode())
            found[path.name] = [text.removeprefix("\ufeff")]
    return found


def naive(texts: dict[str, list[str | None]], seed: int) -> list[Document]:
    return sorted(
        (
            Document(Place(naive_key(seed, file, row), file, row), text)
            for file, path in enumerate(sorted(texts))
            for row, text in enumerate(texts[path])
        ),
        key=lambda document: document.place,
    )


@settings(deadline=None, max_examples=40)
@given(
    files=FILES,
    seed=st.integers(0, (1 << 64) - 1),
    kept=st.sampled_from([1, 700, 1500, 1 << 30]),
    block=st.sampled_from([1, 7, 64, 1 << 20]),
    rows=st.integers(1, 9),
    begin=st.floats(0, 1),
)
def test_passes(
    files: list[tuple[str, list[str | None]]], seed: int, kept: int, block: int, rows: int, begin: float
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        texts = write(Path(folder), files, rows)
        patch.setattr(module, "PASS_BYTES", kept)
        patch.setattr("gated_ray.sources.trees.BLOCK", block)
        patch.setattr(reading, "_UNPACKED", block)
        patch.setattr(parquet_texts, "_MOST_ROWS", rows)
        source = Documents(open_texts(folder), "text", seed, most=1000)
        expected = naive(texts, seed)
        assert list(source.behind(None)) == expected
        assert source.found == len(expected)
        first = int(begin * len(expected))
        place = expected[first - 1].place if first else None
        assert list(source.behind(place)) == expected[first:]


def test_texts_are_cut_where_they_are_read(tmp_path: Path) -> None:
    texts = everything(tmp_path)
    source = Documents(open_texts(str(tmp_path)), "text", 0, most=5)
    expected = [Document(each.place, each.text and each.text[:5]) for each in naive(texts, 0)]
    assert list(source.behind(None)) == expected


def test_a_pass_keeps_no_more_than_it_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice of it while it reads, and then it reads the files again."""
    (tmp_path / "a.jsonl").write_bytes(lines([f"text {number:05d}" for number in range(2000)]))
    monkeypatch.setattr(module, "PASS_BYTES", 50_000)
    held: list[int] = []
    keep = module._Kept.keep

    def watched(self: module._Kept, *document: object) -> None:
        keep(self, *document)  # type: ignore[arg-type]
        held.append(sum(module._bytes(each.text) for each in self._documents))

    monkeypatch.setattr(module._Kept, "keep", watched)
    read: list[tuple[int, int]] = []
    source = Documents(open_texts(str(tmp_path)), "text", 0, most=1000, told=lambda *done: read.append(done))
    assert len(list(source.behind(None))) == 2000
    assert max(held) <= 100_000
    size = (tmp_path / "a.jsonl").stat().st_size
    passes = read.count((size, size))
    assert 2000 * 360 // 100_000 <= passes <= 2 * 2000 * 360 // 50_000


def test_only_the_lines_that_are_wanted_are_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines([f"text {number:05d}" for number in range(20_000)]))
    monkeypatch.setattr(module, "PASS_BYTES", 20_000)
    monkeypatch.setattr("gated_ray.sources.trees.BLOCK", 4096)
    parsed: list[str] = []
    loads = line_texts.json.loads
    monkeypatch.setattr(
        "gated_ray.activations.line_texts.json.loads", lambda text: (parsed.append(text), loads(text))[1]
    )
    next(Documents(open_texts(str(tmp_path)), "text", 0, most=1000).behind(None))
    assert len(parsed) < 1500


def test_row_groups_of_which_nothing_is_wanted_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet([f"text {number:05d} {'x' * 500}" for number in range(4000)], tmp_path / "a.parquet", row_group_size=4)
    monkeypatch.setattr(module, "PASS_BYTES", 10_000)
    groups: list[int] = []
    batches = parquet_texts.ParquetTexts._batches
    monkeypatch.setattr(
        parquet_texts.ParquetTexts,
        "_batches",
        lambda self, group, rows: (groups.append(group), batches(self, group, rows))[1],
    )
    next(Documents(open_texts(str(tmp_path)), "text", 0, most=1000).behind(None))
    assert len(groups) < 300
