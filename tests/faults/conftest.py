"""What the tests of faults share: a Hub in use, a small checkpoint on it, and a clock that sleep moves on."""

import threading
from pathlib import Path

import pytest

from gated_ray.sources.checkpoint import Checkpoint, open_checkpoint
from gated_ray.sources.remote.gate import GATE
from tests.checkpoints.sound import sound_checkpoint
from tests.servers.hub import HubServer

REPO = "org/sound"


class Clock:
    """Stands in for the module `time`: nobody waits, and time goes on by as much as was slept."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        self._lock = threading.Lock()

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept.append(seconds)
            self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of backoff, of the rate-limit gate, and of links, which grow old by it."""
    made = Clock()
    for module in ("gate", "links"):
        monkeypatch.setattr(f"gated_ray.sources.remote.{module}.time", made)
    for module in ("gate", "retry"):
        monkeypatch.setattr(f"gated_ray.sources.remote.{module}.sleep", made.sleep)
    monkeypatch.setattr(GATE, "_open_at", 0.0)
    return made


@pytest.fixture
def hub(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> HubServer:
    """An empty Hub, and the one in use."""
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    return hub


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return sound_checkpoint(tmp_path / "sound")


@pytest.fixture
def checkpoint(hub: HubServer, folder: Path) -> Checkpoint:
    """Opened from the Hub, whose log is empty again."""
    hub.add_repo(REPO, folder)
    checkpoint = open_checkpoint(REPO)
    hub.clear_log()
    return checkpoint
