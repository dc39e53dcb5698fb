"""Tensors over HTTP ranges: the same bytes as on disk, and hardly more of them than needed."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gated_ray.architectures.blocks import Block
from gated_ray.architectures.finding import find_blocks
from gated_ray.sources.checkpoint import open_checkpoint, open_origin
from tests.servers.hub import HubServer
from tests.sources.conftest import REPO
from tests.sources.reading import read_bytes, stored_bytes


def _needed(blocks: list[Block]) -> int:
    return sum(block.bytes for block in blocks)


def test_the_checkpoint_is_a_hard_one(scattered: Path) -> None:
    weight_map = json.loads((scattered / "model.safetensors.index.json").read_text())["weight_map"]
    homes = [
        {weight_map[part.record.name] for part in block.slices}
        for block in find_blocks(open_checkpoint(str(scattered)))
    ]
    assert len(set(weight_map.values())) == 4
    assert any(len(files) > 1 for files in homes)
    assert any("self_attn" in name for name in weight_map)


@pytest.mark.parametrize("at_once", [True, False], ids=["all", "block_by_block"])
def test_few_bytes_more_than_needed_are_served(hub: HubServer, scattered: Path, at_once: bool) -> None:
    hub.add_repo(REPO, scattered)
    checkpoint = open_checkpoint(REPO)
    blocks = find_blocks(checkpoint)
    origin = open_origin(checkpoint.location)
    groups = [[part for block in blocks for part in block.slices]] if at_once else [b.slices for b in blocks]
    for slices in groups:
        assert read_bytes(checkpoint, slices, origin) == stored_bytes(scattered, slices)
    assert 15e6 < _needed(blocks) <= hub.weight_bytes_served() <= 1.05 * _needed(blocks)


@pytest.mark.parametrize("expired", [False, True])
def test_threads_share_links(hub: HubServer, scattered: Path, expired: bool) -> None:
    hub.add_repo(REPO, scattered)
    checkpoint = open_checkpoint(REPO)
    blocks = find_blocks(checkpoint)
    origin = open_origin(checkpoint.location)
    if expired:
        read_bytes(checkpoint, [part for block in blocks for part in block.slices], origin)
        hub.expire_urls()
    hub.clear_log()
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(lambda block: read_bytes(checkpoint, block.slices, origin), blocks * 3))
    assert read == [stored_bytes(scattered, block.slices) for block in blocks] * 3
    assert len(hub.hub_requests()) == 4, "each shard is resolved once, by whichever thread comes first"


@pytest.mark.parametrize("redirected", [False, True])
def test_small_files_come_from_the_hub_itself(hub: HubServer, scattered: Path, redirected: bool) -> None:
    if redirected:
        hub.redirect_small_files()
    hub.add_repo(REPO, scattered)
    assert open_checkpoint(REPO).config == json.loads((scattered / "config.json").read_text())
    assert all(request.file.endswith(".safetensors") for request in hub.cdn_requests() if request.file)


def test_a_renamed_repository_is_read(hub: HubServer, scattered: Path) -> None:
    hub.add_repo(REPO, scattered)
    hub.rename("org/before", REPO)
    checkpoint = open_checkpoint("org/before")
    slices = find_blocks(checkpoint)[3].slices
    assert read_bytes(checkpoint, slices) == stored_bytes(scattered, slices)
