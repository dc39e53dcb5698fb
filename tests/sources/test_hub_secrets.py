"""The token goes to the Hub's own host only; signed URLs go nowhere but to the storage host."""

import logging
import traceback
from pathlib import Path
from types import SimpleNamespace

import pytest

from gated_ray.architectures.finding import find_blocks
from gated_ray.errors import GatedRayError
from gated_ray.sources.checkpoint import Checkpoint, open_checkpoint, open_origin
from gated_ray.sources.http import RemoteFile
from gated_ray.sources.origin import Origin
from tests.checkpoints.sound import sound_checkpoint
from tests.servers.hub import HubServer
from tests.servers.hub_faults import always, ignore_range, on_cdn, refuse, shift_range, truncate
from tests.sources.reading import read_bytes

REPO = "org/gated"
TOKEN = "hf_secret_of_the_tests"

LOGS_OF_THE_TRANSPORT = ("httpcore.", "httpcore2.")
"""They write down every header that they receive when somebody turns on their DEBUG level; not ours to change."""


@pytest.fixture
def checkpoint(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkpoint:
    """One that cannot be read without the token."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.redirect_small_files()
    hub.add_repo(REPO, sound_checkpoint(tmp_path / "sound"), gated=True, token=TOKEN)
    return open_checkpoint(REPO)


def _read_all(checkpoint: Checkpoint, origin: Origin | None = None) -> None:
    read_bytes(checkpoint, [part for block in find_blocks(checkpoint) for part in block.slices], origin)


def _signatures(hub: HubServer) -> set[str]:
    return {request.query["Signature"][0] for request in hub.cdn_requests()}


def test_the_token_goes_to_the_hub_and_nowhere_else(hub: HubServer, checkpoint: Checkpoint) -> None:
    _read_all(checkpoint)
    assert {request.token for request in hub.hub_requests()} == {TOKEN}
    assert hub.cdn_requests()
    assert not any(TOKEN in str(request) for request in hub.cdn_requests())
    assert not any("authorization" in request.headers for request in hub.cdn_requests())


def test_the_token_does_not_follow_an_expired_link(hub: HubServer, checkpoint: Checkpoint) -> None:
    origin = open_origin(checkpoint.location)
    _read_all(checkpoint, origin)
    hub.expire_urls()
    _read_all(checkpoint, origin)
    assert {request.status for request in hub.cdn_requests()} == {206, 403}
    assert not any("authorization" in request.headers for request in hub.cdn_requests())


@pytest.mark.parametrize(
    ("host", "admitted"),
    [
        ("http://127.0.0.1:{port}", True),
        ("https://127.0.0.1:{port}", False),
        ("http://127.0.0.1:1", False),
        ("http://127.0.0.1", False),
        ("http://localhost:{port}", False),
        ("http://127.0.0.1:{port}.example.org", False),
        ("http://127.0.0.1:{port}@example.org", False),
    ],
)
def test_which_hosts_are_the_hub(
    hub: HubServer, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch, host: str, admitted: bool
) -> None:
    """Whatever a version of huggingface_hub thinks of a redirect."""
    links: list[RemoteFile] = []
    shard = checkpoint.files[-1]
    location = host.format(port=hub.endpoint.rpartition(":")[2]) + "/some/file"
    found = SimpleNamespace(location=location, size=shard.size)
    monkeypatch.setattr("gated_ray.sources.hub.get_hf_file_metadata", lambda url, **options: found)
    monkeypatch.setattr("gated_ray.sources.hub.read_range", lambda link, begin, view: links.append(link))
    open_origin(checkpoint.location).read_spans(shard, [(0, 1)])
    (link,) = links
    assert link.url == location
    assert ("authorization" in link.headers) == admitted
    assert (TOKEN in str(dict(link.headers))) == admitted


@pytest.mark.parametrize(
    "fault", [refuse(403), refuse(404), refuse(416), refuse(500), truncate(9), ignore_range, shift_range(1)]
)
@pytest.mark.usefixtures("pauses")
def test_errors_hold_no_signed_url(hub: HubServer, checkpoint: Checkpoint, fault: object) -> None:
    hub.faults.append(always(fault, on_cdn))
    hub.clear_log()
    with pytest.raises(GatedRayError) as failure:
        _read_all(checkpoint)
    shown = "".join(traceback.format_exception(failure.value)) + repr(failure.value)
    assert _signatures(hub)
    assert not any(signature in shown for signature in _signatures(hub))
    assert TOKEN not in shown
    assert hub.cdn_endpoint not in shown
    assert REPO in str(failure.value)
    assert "\n" not in str(failure.value)


def test_reprs_hold_no_signed_url(hub: HubServer, checkpoint: Checkpoint) -> None:
    origin = open_origin(checkpoint.location)
    _read_all(checkpoint, origin)
    shown = repr(vars(origin)) + repr(checkpoint)
    assert _signatures(hub)
    assert not any(signature in shown for signature in _signatures(hub))
    assert TOKEN not in shown


def test_logs_hold_no_signed_url(hub: HubServer, checkpoint: Checkpoint, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        for name in ("huggingface_hub", "httpx", "httpx2", "gated_ray"):
            caplog.set_level(logging.DEBUG, logger=name)
        _read_all(open_checkpoint(REPO))
    assert caplog.records
    ours = [record for record in caplog.records if not record.name.startswith(LOGS_OF_THE_TRANSPORT)]
    shown = "\n".join(record.getMessage() for record in ours)
    assert REPO in shown
    assert not any(signature in shown for signature in _signatures(hub))
    assert TOKEN not in shown
