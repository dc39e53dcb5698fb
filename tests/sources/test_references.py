"""What a user may write to name a checkpoint, and what is refused."""

from pathlib import Path

import pytest

from gated_ray.errors import InputError
from gated_ray.sources.references import parse_reference


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("text", "repo", "revision"),
    [
        ("org/name", "org/name", None),
        ("gpt2", "gpt2", None),
        ("org/name@main", "org/name", "main"),
        ("org/Name-1.5_b@v1.0", "org/Name-1.5_b", "v1.0"),
        ("org/name@refs/pr/4", "org/name", "refs/pr/4"),
        (" org/name@" + "0a" * 20 + "\n", "org/name", "0a" * 20),
    ],
)
def test_repositories(text: str, repo: str, revision: str | None) -> None:
    reference = parse_reference(text)
    assert (reference.kind, reference.location, reference.revision) == ("hub", repo, revision)
    assert (reference.name, reference.text) == (repo, text.strip())


@pytest.mark.parametrize("written", ["models/tiny", "./models/tiny", "{}/models/tiny", "models/tiny/", "~/models/tiny"])
def test_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / "models" / "tiny"
    folder.mkdir(parents=True)
    reference = parse_reference(written.format(tmp_path))
    assert (reference.kind, reference.location, reference.revision) == ("folder", str(folder), None)
    assert reference.name == "tiny"


def test_a_folder_goes_before_a_repository_of_the_same_name(tmp_path: Path) -> None:
    (tmp_path / "gpt2").mkdir()
    assert parse_reference("gpt2").kind == "folder"


def test_subfolders_are_revisions_of_one_model(tmp_path: Path) -> None:
    (tmp_path / "run" / "step200").mkdir(parents=True)
    reference = parse_reference("run@step200")
    assert (reference.kind, reference.location) == ("folder", str(tmp_path / "run" / "step200"))
    assert (reference.name, reference.revision) == ("run", "step200")


def test_a_folder_may_have_an_at_in_its_name(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run@home").mkdir()
    reference = parse_reference("run@home")
    assert (reference.location, reference.name) == (str(tmp_path / "run@home"), "run@home")


@pytest.mark.parametrize(
    ("text", "location", "name"),
    [
        ("s3://bucket/some/model", "s3://bucket/some/model", "model"),
        ("s3://bucket/some/model/", "s3://bucket/some/model", "model"),
        ("s3://bucket", "s3://bucket", "bucket"),
    ],
)
def test_buckets(text: str, location: str, name: str) -> None:
    reference = parse_reference(text)
    assert (reference.kind, reference.location, reference.name) == ("s3", location, name)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "@",
        "@main",
        "org/name@",
        "folder@",
        "org/name/more",
        "org//name",
        "/",
        "s3://",
        "s3:///prefix",
        "https://huggingface.co/org/name",
        "org/na me",
        "org/na--me",
        "org/name\0",
        "/folder\0",
        "org/name@a\nb",
        "x/" * 300,
    ],
)
def test_anything_else_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError) as refusal:
        parse_reference(text)
    assert "\n" not in str(refusal.value)
    assert repr(text.strip()) in str(refusal.value)


def test_a_path_to_nowhere_is_a_folder_all_the_same(tmp_path: Path) -> None:
    for text in ("./nowhere", f"{tmp_path}/{'long' * 100}", "~nobody-of-this-name/model"):
        assert parse_reference(text).kind == "folder"
