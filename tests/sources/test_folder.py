"""A checkpoint in a folder: its revision, and files that change while they are read."""

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gated_ray.architectures.finding import find_blocks
from gated_ray.errors import AccessError, CheckpointError, ReferenceNotFoundError, TransientError
from gated_ray.sources import folder as folder_module
from gated_ray.sources.checkpoint import Checkpoint, open_checkpoint
from gated_ray.sources.folder import FolderOrigin
from gated_ray.sources.origin import FileVersion
from gated_ray.sources.slices import TensorSlice
from tests.checkpoints.sound import CONFIG, FIRST, INDEX, LAST, set_config, sound_checkpoint
from tests.sources.reading import read_bytes, stored_bytes

DATA = Path(__file__).parent.parent / "data" / "tiny-docs-llama"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return sound_checkpoint(tmp_path / "sound")


def _read(checkpoint: Checkpoint) -> dict[str, bytes]:
    return read_bytes(checkpoint, [part for block in find_blocks(checkpoint) for part in block.slices])


def _revision(folder: Path) -> str:
    return open_checkpoint(str(folder)).revision()


def test_tensors_are_as_stored(scattered: Path) -> None:
    checkpoint = open_checkpoint(str(scattered))
    slices = [TensorSlice(record) for record in checkpoint.tensors.values()]
    assert read_bytes(checkpoint, slices) == stored_bytes(scattered, slices)


def test_links_into_a_cache_are_followed(folder: Path, tmp_path: Path) -> None:
    """huggingface_hub's cache is made of them."""
    (tmp_path / "snapshot").mkdir()
    for path in folder.iterdir():
        (tmp_path / "snapshot" / path.name).symlink_to(path)
    assert _read(open_checkpoint(str(tmp_path / "snapshot"))) == _read(open_checkpoint(str(folder)))


def test_steps_of_one_training_run_have_revisions_of_their_own() -> None:
    """Their headers and configs are the same: only the weights differ."""
    revisions = {_revision(DATA / step) for step in ("main", "step0", "step200")}
    assert len(revisions) == 3
    assert all(revision.startswith("local-") and len(revision) == len("local-") + 12 for revision in revisions)
    assert open_checkpoint(f"{DATA}@step0").revision() == _revision(DATA / "step0")


def test_a_copy_elsewhere_is_the_same_revision(tmp_path: Path) -> None:
    shutil.copytree(DATA / "main", tmp_path / "other-name", copy_function=shutil.copyfile)
    assert _revision(tmp_path / "other-name") == _revision(DATA / "main")


def test_content_that_takes_long_to_read_is_announced_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = open_checkpoint(str(folder))
    revision = checkpoint.revision()
    assert capsys.readouterr() == ("", "")
    said = threading.Event()
    digest = FolderOrigin._digest

    def slow(self: FolderOrigin, file: FileVersion) -> str:
        assert said.wait(30)
        return digest(self, file)

    def say(*words: object, **options: Any) -> None:
        print(*words, **options)
        said.set()

    monkeypatch.setattr(folder_module, "_SILENT_SECONDS", 0.0)
    monkeypatch.setattr(folder_module, "print", say, raising=False)
    monkeypatch.setattr(FolderOrigin, "_digest", slow)
    assert checkpoint.revision() == revision
    assert capsys.readouterr() == ("", f"reading {folder} (0.0 GB) to name its revision\n")


def test_the_config_is_part_of_the_revision(folder: Path) -> None:
    before = _revision(folder)
    set_config(folder, rms_norm_eps=0.5)
    assert _revision(folder) != before


def test_other_files_are_not(folder: Path) -> None:
    before = _revision(folder)
    (folder / "README.md").write_text("read me")
    assert _revision(folder) == before


def test_shards_that_change_places_are_another_revision(folder: Path) -> None:
    before = _revision(folder)
    first, last = (folder / FIRST).read_bytes(), (folder / LAST).read_bytes()
    (folder / FIRST).write_bytes(last)
    (folder / LAST).write_bytes(first)
    text = (folder / INDEX).read_text().replace(FIRST, "*").replace(LAST, FIRST).replace("*", LAST)
    (folder / INDEX).write_text(text)
    assert _revision(folder) != before


def _truncate(path: Path) -> None:
    os.truncate(path, 100)


def _append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def _flip_last_byte(path: Path) -> None:
    """Same size, other weights; the time is set so that no coarse clock can hide it."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))


def _remove(path: Path) -> None:
    path.unlink()


CHANGES = [_truncate, _append, _flip_last_byte, _remove]


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changed_after_opening(folder: Path, change: Callable[[Path], None]) -> None:
    checkpoint = open_checkpoint(str(folder))
    change(folder / FIRST)
    with pytest.raises(CheckpointError, match=f"{folder / FIRST}: (changed|disappeared) while it was being read"):
        _read(checkpoint)
    with pytest.raises(CheckpointError, match=f"{folder / FIRST}: (changed|disappeared) while it was being read"):
        checkpoint.revision()


@pytest.mark.parametrize("change", CHANGES[:3])
def test_a_file_that_changes_during_the_reading(
    folder: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None]
) -> None:
    checkpoint = open_checkpoint(str(folder))
    preadv = os.preadv

    def changing(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        count = preadv(descriptor, buffers, offset)
        change(folder / FIRST)
        return count

    monkeypatch.setattr(os, "preadv", changing)
    with pytest.raises(CheckpointError, match=f"{folder / FIRST}: (changed while it was being read|ends at byte)"):
        _read(checkpoint)


def test_a_file_that_ends_early(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a file that is cut while it is being read looks to the reader."""
    checkpoint = open_checkpoint(str(folder))
    monkeypatch.setattr(os, "preadv", lambda descriptor, buffers, offset: 0)
    with pytest.raises(CheckpointError, match=f"{folder / FIRST}: ends at byte"):
        _read(checkpoint)


def test_a_kernel_that_gives_less_than_asked_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = _read(open_checkpoint(str(folder)))
    preadv = os.preadv
    monkeypatch.setattr(
        os, "preadv", lambda descriptor, buffers, offset: preadv(descriptor, [buffers[0][:777]], offset)
    )
    assert _read(open_checkpoint(str(folder))) == expected


def test_a_disk_that_fails(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = open_checkpoint(str(folder))

    def failing(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "preadv", failing)
    with pytest.raises(TransientError, match=f"{folder / FIRST}: cannot be read .Input/output error"):
        _read(checkpoint)


@pytest.mark.parametrize("name", ["", CONFIG, FIRST])
def test_no_permission(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Root may read everything, so the refusal is put in the system's mouth."""
    real_scandir, real_open = os.scandir, Path.open

    def refuse(path: Path, call: Callable[..., object], *arguments: object, **keywords: object) -> object:
        if Path(path) == folder / name:
            raise PermissionError(13, "Permission denied")
        return call(path, *arguments, **keywords)

    monkeypatch.setattr(os, "scandir", lambda path: refuse(path, real_scandir))
    monkeypatch.setattr(Path, "open", lambda path, *args, **kwargs: refuse(path, real_open, *args, **kwargs))
    with pytest.raises(AccessError, match=f"{folder / name}: permission denied"):
        open_checkpoint(str(folder))


@pytest.mark.parametrize("ref", ["{}/nowhere", "{}/sound@nowhere", "{}/sound/config.json"])
def test_no_such_folder(folder: Path, ref: str) -> None:
    ref = ref.format(folder.parent)
    with pytest.raises(ReferenceNotFoundError, match="no such folder") as refusal:
        open_checkpoint(ref)
    assert ref.replace("@", "/") in str(refusal.value)
