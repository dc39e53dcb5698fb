"""Tokenizers of every kind, loaded once, and a store in a folder."""

from pathlib import Path

import pytest

from gated_ray.activations.tokenizers import Tokenizer, load_tokenizer
from gated_ray.settings import StoreSettings
from gated_ray.sources.checkpoint import locate
from gated_ray.store.objects import Objects, open_objects
from tests.activations.small_tokenizers import NAMES, tokenizer_folder
from tests.servers.hub import HubServer


@pytest.fixture(autouse=True)
def no_power_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for the disk would take most of these tests' time."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


@pytest.fixture(scope="session")
def tokenizer_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of models without weights, by `NAMES`."""
    folder = tmp_path_factory.mktemp("tokenizers")
    return {name: tokenizer_folder(name, folder) for name in NAMES}


@pytest.fixture(scope="session")
def tokenizers(tokenizer_folders: dict[str, Path]) -> dict[str, Tokenizer]:
    return {name: load_tokenizer(locate(str(folder))) for name, folder in tokenizer_folders.items()}


@pytest.fixture
def llama(tokenizers: dict[str, Tokenizer]) -> Tokenizer:
    return tokenizers["llama"]


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    """An empty store in a folder."""
    return open_objects(StoreSettings(str(tmp_path / "store")))


@pytest.fixture
def hub(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> HubServer:
    """An empty Hub, and the one in use."""
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    return hub
