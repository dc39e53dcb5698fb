"""Every broken checkpoint is refused in one line that says what is wrong, wherever it lies; every unusual one is read."""

from pathlib import Path

import pytest

from gated_ray.architectures.finding import find_blocks
from gated_ray.errors import InputError
from gated_ray.sources.checkpoint import open_checkpoint
from tests.checkpoints.broken import BROKEN, UNUSUAL
from tests.checkpoints.sound import LAYERS, sound_checkpoint
from tests.servers.hub import HubServer
from tests.sources.reading import read_bytes, stored_bytes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return sound_checkpoint(tmp_path / "sound")


@pytest.mark.parametrize("place", ["folder", "hub"])
@pytest.mark.parametrize("name", BROKEN)
def test_broken(hub: HubServer, folder: Path, name: str, place: str) -> None:
    BROKEN[name](folder)
    hub.add_repo("org/broken", folder)
    ref = str(folder) if place == "folder" else "org/broken"
    with pytest.raises(InputError) as refusal:
        find_blocks(open_checkpoint(ref))
    message = str(refusal.value)
    assert "\n" not in message
    assert message.startswith(ref)
    for words in BROKEN[name].words:
        assert words.casefold() in message.casefold()


@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual(folder: Path, name: str) -> None:
    UNUSUAL[name](folder)
    checkpoint = open_checkpoint(str(folder))
    blocks = find_blocks(checkpoint)
    assert len(blocks) == LAYERS
    for block in blocks:
        assert read_bytes(checkpoint, block.slices) == stored_bytes(folder, block.slices)
