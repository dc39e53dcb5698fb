"""A branch, tag or pull request is resolved once; what is read afterwards is that commit."""

import re
from pathlib import Path

import pytest

from gated_ray.sources.checkpoint import Checkpoint, open_checkpoint
from gated_ray.sources.slices import TensorSlice
from tests.checkpoints.raw_safetensors import unpack
from tests.servers.hub import HubServer
from tests.sources.reading import read_bytes

DATA = Path(__file__).parent.parent / "data" / "tiny-docs-llama"
TENSOR = "model.layers.0.mlp.gate_proj.weight"
REPO = "org/tiny"


@pytest.fixture
def commits(hub: HubServer) -> dict[str, str]:
    """The commit of each revision of a repository that holds three training steps."""
    return {
        "main": hub.add_repo(REPO, DATA / "main"),
        "v0": hub.add_repo(REPO, DATA / "step0", "refs/tags/v0"),
        "refs/pr/7": hub.add_repo(REPO, DATA / "step200", "refs/pr/7"),
    }


def _read(checkpoint: Checkpoint) -> bytes:
    return read_bytes(checkpoint, [TensorSlice(checkpoint.tensors[TENSOR])])[TENSOR]


def _stored(step: str) -> bytes:
    return unpack(DATA / step / "model.safetensors")[TENSOR].data


@pytest.mark.parametrize(("revision", "step"), [("main", "main"), ("v0", "step0"), ("refs/pr/7", "step200")])
def test_each_revision_has_its_commit_and_its_weights(commits: dict[str, str], revision: str, step: str) -> None:
    checkpoint = open_checkpoint(f"{REPO}@{revision}")
    assert checkpoint.revision() == commits[revision]
    assert re.fullmatch("[0-9a-f]{40}", checkpoint.revision())
    assert _read(checkpoint) == _stored(step)


def test_without_a_revision_it_is_the_main_branch(commits: dict[str, str]) -> None:
    assert open_checkpoint(REPO).revision() == commits["main"]


def test_a_commit_is_a_revision(commits: dict[str, str]) -> None:
    assert _read(open_checkpoint(f"{REPO}@{commits['v0']}")) == _stored("step0")


def test_a_branch_that_moves_is_not_followed(hub: HubServer, commits: dict[str, str]) -> None:
    checkpoint = open_checkpoint(REPO)
    hub.add_repo(REPO, DATA / "step200")
    assert open_checkpoint(REPO).revision() != commits["main"]
    assert _read(checkpoint) == _stored("main")


def test_the_branch_is_asked_for_once(hub: HubServer, commits: dict[str, str]) -> None:
    open_checkpoint(f"{REPO}@main")
    by_name = [request.path for request in hub.hub_requests() if commits["main"] not in request.path]
    assert by_name == [f"/api/models/{REPO}/revision/main"]
