"""What is in the local cache is read there, without the network, and is the same model."""

import os
from pathlib import Path

import pytest
from huggingface_hub import snapshot_download

from gated_ray.architectures.finding import find_blocks
from gated_ray.errors import InputError, ReferenceNotFoundError, TransientError
from gated_ray.sources.checkpoint import Checkpoint, open_checkpoint, open_origin, read_tensors
from gated_ray.sources.slices import TensorSlice
from tests.checkpoints.sound import sound_checkpoint
from tests.servers.hub import HubServer
from tests.sources.conftest import REPO
from tests.sources.reading import read_bytes, stored_bytes

INDEX = "model.safetensors.index.json"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and the one in use."""
    folder = tmp_path / "cache"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder))
    return folder


@pytest.fixture
def commit(hub: HubServer, scattered: Path) -> str:
    """Of a repository in four shards."""
    return hub.add_repo(REPO, scattered)


def _download(hub: HubServer, cache: Path, revision: str | None = None, only: list[str] | None = None) -> Path:
    """As a user does, by the real client; the snapshot's folder."""
    found = snapshot_download(
        REPO, revision=revision, cache_dir=cache, endpoint=hub.endpoint, allow_patterns=only, max_workers=1
    )
    hub.clear_log()
    return Path(found)


def _everything(checkpoint: Checkpoint) -> list[TensorSlice]:
    return list(map(TensorSlice, checkpoint.tensors.values()))


def _state(folder: Path) -> set[tuple[str, int, int]]:
    return {(str(path), path.lstat().st_size, path.lstat().st_mtime_ns) for path in folder.rglob("*")}


def test_a_commit_that_is_there_needs_no_request(hub: HubServer, cache: Path, commit: str, scattered: Path) -> None:
    remote = open_checkpoint(f"{REPO}@{commit}")
    assert hub.log
    _download(hub, cache, commit)
    before = _state(cache)
    local = open_checkpoint(f"{REPO}@{commit}")
    slices = [part for block in find_blocks(local) for part in block.slices]
    assert read_bytes(local, slices) == stored_bytes(scattered, slices)
    assert not hub.log
    assert local == remote, "commit, location, files and tensors"
    assert _state(cache) == before, "nothing is written"


def test_who_does_not_want_the_cache_asks_the_hub(hub: HubServer, cache: Path, commit: str, scattered: Path) -> None:
    """As jobs.verify does: what lies here is not the source."""
    _download(hub, cache, commit)
    checkpoint = open_checkpoint(f"{REPO}@{commit}")
    assert not hub.log
    slices = [part for block in find_blocks(checkpoint) for part in block.slices]
    tensors = read_tensors(open_origin(checkpoint.location, cached=False), slices)
    assert len(tensors) == len(set(slices))
    assert hub.weight_bytes_served() >= sum(part.bytes for part in set(slices))


def test_a_branch_is_resolved_by_one_request(hub: HubServer, cache: Path, commit: str) -> None:
    _download(hub, cache)
    checkpoint = open_checkpoint(REPO)
    read_bytes(checkpoint, _everything(checkpoint))
    assert checkpoint.revision() == commit
    assert [request.path for request in hub.log] == [f"/api/models/{REPO}"]


def test_a_branch_that_moved_is_not_taken_from_the_cache(
    hub: HubServer, cache: Path, commit: str, tmp_path: Path
) -> None:
    _download(hub, cache)
    newer = hub.add_repo(REPO, sound_checkpoint(tmp_path / "newer"))
    checkpoint = open_checkpoint(REPO)
    read_bytes(checkpoint, _everything(checkpoint))
    assert checkpoint.revision() == newer != commit
    assert hub.weight_bytes_served()


def test_a_part_that_is_there(hub: HubServer, cache: Path, commit: str, scattered: Path) -> None:
    """Shard by shard."""
    there = sorted(path.name for path in scattered.glob("*.safetensors"))[:2]
    _download(hub, cache, only=["config.json", *there])
    checkpoint = open_checkpoint(REPO)
    slices = _everything(checkpoint)
    assert read_bytes(checkpoint, slices) == stored_bytes(scattered, slices)
    read = {request.file for request in hub.log if request.file}
    assert read == {path.name for path in scattered.glob("*.safetensors")} - set(there) | {INDEX}


@pytest.mark.parametrize("damage", ["shortened", "without its blob", "half loaded", "unreadable"])
def test_what_is_damaged_is_not_used(
    hub: HubServer, cache: Path, commit: str, scattered: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = _download(hub, cache, only=["config.json", "*.safetensors"])  # so that the Hub is asked for sizes
    shard = next(snapshot.glob("*-00002-*"))
    blob = shard.resolve()
    match damage:
        case "shortened":
            os.truncate(blob, blob.stat().st_size - 1)
        case "without its blob":
            blob.unlink()
        case "half loaded":
            blob.rename(f"{blob}.incomplete")
        case _:  # permission bits do not stop the superuser
            access = os.access
            monkeypatch.setattr("os.access", lambda path, mode: Path(path).name != shard.name and access(path, mode))
    checkpoint = open_checkpoint(REPO)
    slices = _everything(checkpoint)
    assert read_bytes(checkpoint, slices) == stored_bytes(scattered, slices)
    assert {request.file for request in hub.log if (request.file or "").endswith(".safetensors")} == {shard.name}


def test_another_machine_without_the_cache(
    hub: HubServer, cache: Path, commit: str, scattered: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _download(hub, cache, commit)
    checkpoint = open_checkpoint(f"{REPO}@{commit}")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache / "elsewhere"))
    slices = _everything(checkpoint)[:3]
    assert read_bytes(checkpoint, slices) == stored_bytes(scattered, slices)
    assert hub.weight_bytes_served()


def test_a_file_that_was_cut_short_since_it_was_opened(hub: HubServer, cache: Path, commit: str) -> None:
    snapshot = _download(hub, cache, commit)
    checkpoint = open_checkpoint(f"{REPO}@{commit}")
    shard = next(snapshot.glob("*-00002-*")).resolve()
    os.truncate(shard, shard.stat().st_size // 2)
    part = next(each for each in _everything(checkpoint) if "00002" in each.record.file.path)
    read_bytes(checkpoint, [part])
    assert hub.weight_bytes_served()


def _go_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """What HF_HUB_OFFLINE=1 does when huggingface_hub is imported."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.mark.parametrize("revision", [None, "main", "refs/pr/7", "v1"])
def test_offline(
    hub: HubServer,
    cache: Path,
    commit: str,
    scattered: Path,
    monkeypatch: pytest.MonkeyPatch,
    revision: str | None,
) -> None:
    for ref in ("refs/pr/7", "refs/tags/v1"):
        hub.add_repo(REPO, scattered, ref)
    _download(hub, cache, revision)
    _go_offline(monkeypatch)
    checkpoint = open_checkpoint(f"{REPO}@{revision}" if revision else REPO)
    slices = _everything(checkpoint)
    assert read_bytes(checkpoint, slices) == stored_bytes(scattered, slices)
    assert checkpoint.revision() == commit
    assert not hub.log


@pytest.mark.parametrize("ref", ["org/other", f"{REPO}@other", f"{REPO}@{'0' * 40}"])
def test_offline_without_the_model(
    hub: HubServer, cache: Path, commit: str, monkeypatch: pytest.MonkeyPatch, ref: str
) -> None:
    _download(hub, cache)
    _go_offline(monkeypatch)
    repo, _, revision = ref.partition("@")
    with pytest.raises(ReferenceNotFoundError) as refusal:
        open_checkpoint(ref)
    message = str(refusal.value)
    assert message.startswith(f"{ref}: HF_HUB_OFFLINE is set")
    assert str(cache) in message
    assert f"`hf download {repo}{f' --revision {revision}' if revision else ''}`" in message
    assert not hub.log


def test_a_cache_of_somebody_else(hub: HubServer, cache: Path, commit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("gated_ray.sources.local_cache.try_to_load_from_cache", refused)
    assert open_checkpoint(REPO).revision() == commit


@pytest.mark.parametrize("lacking", ["shard", INDEX, "config.json"])
def test_offline_with_a_part_of_the_model(
    hub: HubServer, cache: Path, commit: str, monkeypatch: pytest.MonkeyPatch, lacking: str
) -> None:
    snapshot = _download(hub, cache, commit)
    gone = next(snapshot.glob("*-00002-*")) if lacking == "shard" else snapshot / lacking
    gone.unlink()
    _go_offline(monkeypatch)
    with pytest.raises(InputError, match="HF_HUB_OFFLINE is set and the local cache"):
        open_checkpoint(f"{REPO}@{commit}")
    assert not hub.log


def test_a_hub_that_is_down(
    hub: HubServer, cache: Path, commit: str, monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    """The cache is never taken silently: the branch may have moved."""
    _download(hub, cache)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(
        TransientError, match=rf"cannot reach the Hub .*; the local cache holds {commit[:12]}.*HF_HUB_OFFLINE=1"
    ):
        open_checkpoint(REPO)
    assert pauses
    assert open_checkpoint(f"{REPO}@{commit}").revision() == commit, "which needs no Hub"


def test_a_folder_that_was_downloaded_is_a_folder(hub: HubServer, commit: str, tmp_path: Path) -> None:
    snapshot_download(REPO, local_dir=tmp_path / "own", endpoint=hub.endpoint, max_workers=1)
    hub.clear_log()
    checkpoint = open_checkpoint(str(tmp_path / "own"))
    assert read_bytes(checkpoint, _everything(checkpoint))
    assert not hub.log
