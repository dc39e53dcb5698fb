"""A store, the Hub that it was swept from and mirrors of it, compared by digest: equal, and with one byte flipped."""

from pathlib import Path

import duckdb
import pytest

from gated_ray.settings import ProfileSettings
from tests.checkpoints.raw_safetensors import StoredTensor
from tests.checkpoints.sound import GAIN, IN, edit_tensor, sound_checkpoint
from tests.dataset_doc import COMPARISON
from tests.servers.hub import HubServer
from tests.verification.sweeping_alone import check_sources, sweep_alone

NAME = "org/model"
TOKEN = "hf_a_token_that_nobody_may_see"
RANGES = 2 * 4
RESIDUAL = ProfileSettings(name="residual", weights="residual", regions="none")


def flip_last(tensor: StoredTensor) -> StoredTensor:
    return StoredTensor(tensor.dtype, tensor.shape, tensor.data[:-1] + bytes([tensor.data[-1] ^ 1]))


@pytest.fixture
def commit(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The Hub in use has the model."""
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    return hub.add_repo(NAME, sound_checkpoint(tmp_path / "model"))


@pytest.fixture
def spoiled(tmp_path: Path) -> Path:
    """The model, but for one byte of each of two tensors."""
    folder = sound_checkpoint(tmp_path / "spoiled")
    for tensor in (IN, GAIN):
        edit_tensor(folder, tensor, flip_last)
    return folder


def test_an_equal_mirror(commit: str, hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep_alone(tmp_path / "store", NAME)
    hub.clear_log()
    with HubServer() as mirror:
        mirror.add_repo(NAME, tmp_path / "model", commit=commit)
        monkeypatch.setenv("HF_ENDPOINT", mirror.endpoint)
        found = check_sources(tmp_path / "store")
        assert mirror.weight_bytes_served() >= found.bytes
    assert hub.log == []
    assert (found.models, found.ranges, found.problems) == (1, RANGES, ())


def test_a_mirror_with_other_bytes(commit: str, spoiled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep_alone(tmp_path / "store", NAME)
    with HubServer() as mirror:
        mirror.add_repo(NAME, spoiled, commit=commit)
        monkeypatch.setenv("HF_ENDPOINT", mirror.endpoint)
        found = check_sources(tmp_path / "store")
    lines = [str(problem) for problem in found.problems]
    assert len(lines) == 2
    for line, tensor in zip(lines, (IN, GAIN), strict=True):
        assert line.startswith(
            f"model=org--model/revision={commit}/profile=paper: layer 0 mlp: {tensor}: recorded digest "
        )
    assert (found.models, found.ranges) == (1, RANGES)


def test_the_recorded_commit_is_read_again(commit: str, hub: HubServer, spoiled: Path, tmp_path: Path) -> None:
    """Though the branch has moved on."""
    sweep_alone(tmp_path / "store", NAME)
    assert hub.add_repo(NAME, spoiled) != commit
    assert check_sources(tmp_path / "store").problems == ()


def test_a_folder_of_the_repositorys_name_is_not_taken_for_it(
    commit: str, spoiled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep_alone(tmp_path / "store", NAME)
    (tmp_path / "elsewhere" / "org").mkdir(parents=True)
    spoiled.rename(tmp_path / "elsewhere" / NAME)
    monkeypatch.chdir(tmp_path / "elsewhere")
    found = check_sources(tmp_path / "store")
    assert (found.models, found.problems) == (1, ())


def test_a_repository_that_is_private_now(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.add_repo(NAME, sound_checkpoint(tmp_path / "model"), private=True, token=TOKEN)
    sweep_alone(tmp_path / "store", NAME)
    assert check_sources(tmp_path / "store").problems == ()
    monkeypatch.setenv("HF_TOKEN", f"{TOKEN}_of_another")
    found = check_sources(tmp_path / "store")
    (line,) = map(str, found.problems)
    assert ": its source cannot be read: org/model" in line
    assert (found.asked, found.models, found.ranges) == (1, 0, 0)
    assert TOKEN not in line + str(found)
    assert all(TOKEN.encode() not in path.read_bytes() for path in (tmp_path / "store").rglob("*") if path.is_file())


def test_two_stores_compared_as_the_docs_say(
    commit: str, spoiled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names each tensor that differs once, of models that both have, whatever else one of the stores holds."""
    sweep_alone(tmp_path / "a", NAME)
    sweep_alone(tmp_path / "a", NAME, profile=RESIDUAL)
    sweep_alone(tmp_path / "a", tmp_path / "model")
    assert compared(tmp_path / "a", tmp_path / "a") == []
    with HubServer() as mirror:
        mirror.add_repo(NAME, tmp_path / "model", commit=commit)
        monkeypatch.setenv("HF_ENDPOINT", mirror.endpoint)
        sweep_alone(tmp_path / "equal", NAME)
    assert compared(tmp_path / "a", tmp_path / "equal") == []
    with HubServer() as mirror:
        mirror.add_repo(NAME, spoiled, commit=commit)
        monkeypatch.setenv("HF_ENDPOINT", mirror.endpoint)
        sweep_alone(tmp_path / "b", NAME)
    rows = compared(tmp_path / "a", tmp_path / "b")
    assert [row[:5] for row in rows] == [(NAME, commit, 0, "mlp", tensor) for tensor in (IN, GAIN)]
    assert all(len(str(digest)) == 16 for row in rows for digest in row[5:])
    assert all(row[5] != row[6] for row in rows)


def compared(one: Path, other: Path) -> list[tuple[object, ...]]:
    query = COMPARISON.replace("'A/", f"'{one}/").replace("'B/", f"'{other}/")
    with duckdb.connect() as connection:
        return connection.sql(query).fetchall()
