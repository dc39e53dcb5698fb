"""Nothing of a checkpoint is written to disk, neither its headers nor what the Hub's client likes to cache."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from gated_ray.sources.checkpoint import open_checkpoint
from gated_ray.sources.slices import TensorSlice
from tests.checkpoints.sound import sound_checkpoint
from tests.servers.hub import HubServer
from tests.sources.reading import read_bytes


def _files(folder: str) -> set[Path]:
    return set(Path(folder).rglob("*"))


@pytest.mark.parametrize("place", ["folder", "hub"])
def test_nothing_is_written(hub: HubServer, tmp_path: Path, place: str) -> None:
    folder = sound_checkpoint(tmp_path / "sound")
    hub.add_repo("org/sound", folder)
    cached = _files(os.environ["HF_HOME"])
    written: list[str] = []
    watching = True

    def watch(event: str, arguments: tuple[Any, ...]) -> None:  # audit hooks stay until the interpreter ends
        if watching and event == "open" and isinstance(arguments[0], str) and arguments[2] & (os.O_WRONLY | os.O_RDWR):
            written.append(arguments[0])

    sys.addaudithook(watch)
    try:
        (tmp_path / "proof").open("w").close()
        checkpoint = open_checkpoint(str(folder) if place == "folder" else "org/sound")
        read_bytes(checkpoint, list(map(TensorSlice, checkpoint.tensors.values())))
    finally:
        watching = False
    assert written == [str(tmp_path / "proof")]
    assert _files(os.environ["HF_HOME"]) == cached
