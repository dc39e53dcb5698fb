"""The world that watches look at."""

from pathlib import Path

import pytest

from gated_ray.settings import StoreSettings
from gated_ray.watching import passes
from tests.checkpoints.raw_models import add_tensor, edited, llama
from tests.servers.hub import HubServer
from tests.watching.alone import sweep_alone
from tests.watching.watching import World


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What the repositories serve."""
    parent = tmp_path_factory.mktemp("watched")
    (alien := parent / "alien").mkdir()
    (alien / "README.md").write_text("no model")
    return {
        "model": llama().write(parent / "model"),
        "large": edited(llama(), add_tensor("model.extra", (100, 100))).write(parent / "large"),
        "packed": edited(llama(), add_tensor("model.extra", (10,), "U8")).write(parent / "packed"),
        "alien": alien,
    }


@pytest.fixture
def world(hub: HubServer, folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    return World(hub=hub, store=StoreSettings(url=str(tmp_path / "store")), **folders)


@pytest.fixture
def sweeps_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sweeps without Ray."""
    monkeypatch.setattr(passes, "run_sweep", sweep_alone)
