"""What the tests of the sources share."""

from pathlib import Path

import pytest

from gated_ray.sources.remote.gate import RateLimitGate
from tests.checkpoints.cosine_cells import CELLS
from tests.checkpoints.planted import plant_checkpoint
from tests.servers.hub import HubServer

REPO = "org/scattered"


@pytest.fixture(scope="session")
def scattered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of about 30 MB in four shards, its MLPs among attention tensors, some of them across two shards."""
    folder = tmp_path_factory.mktemp("scattered") / "scattered"
    table = {layer: dict.fromkeys(CELLS, 96) for layer in range(6)}
    plant_checkpoint(folder, table, d_model=512, model_type="llama", shards=4)
    return folder


@pytest.fixture
def hub(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> HubServer:
    """An empty Hub, and the one in use."""
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    return hub


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between attempts, in seconds, which are not waited for."""
    made: list[float] = []
    monkeypatch.setattr("gated_ray.sources.remote.retry.sleep", made.append)
    monkeypatch.setattr("gated_ray.sources.remote.gate.sleep", made.append)
    gate = RateLimitGate()  # one that no test has closed before
    monkeypatch.setattr("gated_ray.sources.remote.fetch.GATE", gate)
    monkeypatch.setattr("gated_ray.sources.remote.retry.GATE", gate)
    return made
