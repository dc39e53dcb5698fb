"""What goes wrong between the storage host and us: tried again, or one clear line; never wrong bytes."""

from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gated_ray.architectures.finding import find_blocks
from gated_ray.errors import CheckpointError, TransientError
from gated_ray.sources.checkpoint import Checkpoint, open_checkpoint, open_origin
from tests.checkpoints.sound import sound_checkpoint
from tests.servers.hub import HubServer
from tests.servers.hub_faults import (
    Fault,
    always,
    first,
    ignore_range,
    on_cdn,
    on_hub,
    refuse,
    shift_range,
    truncate,
)
from tests.servers.hub_http import FileBody, Response
from tests.servers.hub_log import Request
from tests.sources.reading import read_bytes, stored_bytes

REPO = "org/sound"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return sound_checkpoint(tmp_path / "sound")


@pytest.fixture
def checkpoint(hub: HubServer, folder: Path) -> Checkpoint:
    hub.add_repo(REPO, folder)
    checkpoint = open_checkpoint(REPO)
    hub.clear_log()
    return checkpoint


def _other_size(response: Response) -> Response:
    header = response.headers["Content-Range"].rpartition("/")[0] + "/99999"
    return Response(response.status, {**response.headers, "Content-Range": header}, response.body)


def _no_content_range(response: Response) -> Response:
    headers = {name: value for name, value in response.headers.items() if name != "Content-Range"}
    return Response(response.status, headers, response.body)


def _says_200(response: Response) -> Response:
    """The right length, but nothing says that it is the right range."""
    return replace(_no_content_range(response), status=200)


def _resized(by: int) -> Fault:
    """A body of another length than its Content-Range says."""

    def resized(response: Response) -> Response:
        assert isinstance(response.body, FileBody)
        return replace(response, body=replace(response.body, length=response.body.length + by))

    return resized


def _moved_to(origin: str) -> Fault:
    """Redirects lead to the same path on another host."""

    def moved(response: Response) -> Response:
        path = urlsplit(response.headers["Location"]).path
        return replace(response, headers={**response.headers, "Location": origin + path})

    return moved


PASSING: dict[str, Fault] = {
    "500": refuse(500),
    "503": refuse(503),
    "429": refuse(429),
    "cut_at_once": truncate(0),
    "cut_late": truncate(1000),
    "whole_file": ignore_range,
    "another_range": shift_range(2),
    "no_content_range": _no_content_range,
    "no_partial_content": _says_200,
    "less_than_said": _resized(-1),
    "more_than_said": _resized(+1),
}


@pytest.mark.parametrize("name", PASSING)
def test_what_passes_is_tried_again(
    hub: HubServer, checkpoint: Checkpoint, folder: Path, pauses: list[float], name: str
) -> None:
    hub.faults.append(first(3, PASSING[name], on_cdn))
    slices = find_blocks(checkpoint)[0].slices
    assert read_bytes(checkpoint, slices) == stored_bytes(folder, slices)
    assert len(pauses) == 3


@pytest.mark.parametrize("name", PASSING)
def test_what_does_not_pass_is_given_up(hub: HubServer, checkpoint: Checkpoint, pauses: list[float], name: str) -> None:
    hub.faults.append(always(PASSING[name], on_cdn))
    with pytest.raises(TransientError, match=f"{REPO}: model-00001-of-00002.safetensors: "):
        read_bytes(checkpoint, find_blocks(checkpoint)[0].slices[:1])
    assert len(hub.cdn_requests()) == 5
    assert len(pauses) == 4


@pytest.mark.parametrize("fault", [refuse(404), refuse(410), refuse(416), _other_size])
def test_a_file_that_is_not_what_was_resolved(
    hub: HubServer, checkpoint: Checkpoint, pauses: list[float], fault: Fault
) -> None:
    hub.faults.append(always(fault, on_cdn))
    with pytest.raises(CheckpointError, match=f"{REPO}: model-00001-of-00002.safetensors: "):
        read_bytes(checkpoint, find_blocks(checkpoint)[0].slices[:1])
    assert not pauses


def test_an_expired_link_is_refreshed_once(
    hub: HubServer, checkpoint: Checkpoint, folder: Path, pauses: list[float]
) -> None:
    origin = open_origin(checkpoint.location)
    slices = find_blocks(checkpoint)[0].slices
    read_bytes(checkpoint, slices, origin)
    hub.expire_urls()
    hub.clear_log()
    assert read_bytes(checkpoint, slices, origin) == stored_bytes(folder, slices)
    shards = {part.record.file.path for part in slices}
    assert sorted(request.file or "" for request in hub.hub_requests()) == sorted(shards)
    assert not pauses


def test_a_link_that_stays_refused_is_given_up(hub: HubServer, checkpoint: Checkpoint, pauses: list[float]) -> None:
    hub.faults.append(always(refuse(403), on_cdn))
    with pytest.raises(TransientError, match=f"{REPO}: .* refused the link"):
        read_bytes(checkpoint, find_blocks(checkpoint)[0].slices[:1])
    assert len(pauses) == 4


def test_old_links_are_made_anew_before_they_expire(
    hub: HubServer, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr("gated_ray.sources.hub.time.monotonic", lambda: clock[0])
    origin = open_origin(checkpoint.location)
    part = find_blocks(checkpoint)[0].slices[0]
    for seconds, resolved in ((0, 1), (49 * 60, 1), (51 * 60, 2)):
        clock[0] = seconds
        read_bytes(checkpoint, [part], origin)
        assert len(hub.hub_requests()) == resolved


@pytest.mark.parametrize("where", [on_hub, on_cdn])
def test_the_pause_a_server_asks_for_is_kept(
    hub: HubServer, checkpoint: Checkpoint, pauses: list[float], where: object
) -> None:
    hub.faults.append(first(1, refuse(429, retry_after=17), where))
    hub.faults.append(first(1, refuse(503, retry_after=4000), where))
    open_checkpoint(REPO)
    assert sorted(pauses) in ([17, 60], [60]), "both answers to one request, or one each to two"


def test_the_hub_falters(hub: HubServer, folder: Path, pauses: list[float]) -> None:
    hub.add_repo(REPO, folder)
    hub.faults.append(first(4, refuse(502), on_hub))
    assert open_checkpoint(REPO).tensors
    assert len(pauses) == 4


def test_the_hub_falters_on_every_file(hub: HubServer, checkpoint: Checkpoint, pauses: list[float]) -> None:
    hub.faults.append(always(refuse(502), lambda request: on_hub(request) and _is_shard(request)))
    with pytest.raises(TransientError, match=f"{REPO}: the Hub answered 502"):
        open_checkpoint(REPO)


def test_a_storage_host_that_is_down(hub: HubServer, checkpoint: Checkpoint, pauses: list[float]) -> None:
    hub.faults.append(always(_moved_to("http://localhost:9"), on_hub))
    with pytest.raises(TransientError, match=rf"{REPO}: model-00001.*: download failed \(cannot connect\)"):
        read_bytes(checkpoint, find_blocks(checkpoint)[0].slices[:1])


def test_a_small_file_may_come_whole_instead_of_as_a_range(hub: HubServer, folder: Path, pauses: list[float]) -> None:
    hub.add_repo(REPO, folder)
    hub.faults.append(always(ignore_range, lambda request: (request.file or "").endswith(".json")))
    assert open_checkpoint(REPO).config["model_type"] == "llama"
    assert not pauses


def _is_shard(request: Request) -> bool:
    return request.path.endswith(".safetensors")
