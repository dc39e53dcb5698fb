"""A forked process reads by its own threads and connections, not by those of the process that it was forked from."""

import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from gated_ray.sources.checkpoint import open_origin
from gated_ray.sources.origin import FileVersion, Location, Origin
from tests.servers.hub import HubServer

REPO = "org/random"
WEIGHTS = "model.safetensors"
SIZE = 12 << 20
SMALL = 60_000
READS = 40
LONG = 60


def _check(origin: Origin, content: bytes, seed: int) -> None:
    """Small spans go over a connection of the thread that asks, large ones over those of the engine's threads."""
    file = FileVersion(WEIGHTS, SIZE, "any")
    for begin in np.random.default_rng(seed).integers(0, SIZE - SMALL, READS).tolist():
        (view,) = origin.read_spans(file, [(begin, begin + SMALL)])
        assert bytes(view) == content[begin : begin + SMALL]
    (view,) = origin.read_spans(file, [(0, SIZE)])
    assert bytes(view) == content


def test_a_fork_while_connections_are_open(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_DOWNLOAD_TIMEOUT", "2")
    content = np.random.default_rng(0).bytes(SIZE)
    (tmp_path / WEIGHTS).write_bytes(content)
    origin = open_origin(Location("hub", REPO, hub.add_repo(REPO, tmp_path), hub.endpoint))
    _check(origin, content, seed=1)
    forked = multiprocessing.get_context("fork").Process(target=_check, args=(origin, content, 2))
    forked.start()
    try:
        _check(origin, content, seed=3)
        forked.join(LONG)
        assert forked.exitcode == 0
    finally:
        forked.kill()
