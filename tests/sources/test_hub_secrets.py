"""The token goes to the Hub's own host only; signed URLs go nowhere but to the storage host."""

import traceback
from pathlib import Path

import pytest

from gated_ray.architectures.finding import find_blocks
from gated_ray.errors import AccessError, GatedRayError, InputError, TransientError
from gated_ray.sources.checkpoint import Checkpoint, open_checkpoint, open_origin
from gated_ray.sources.origin import Origin
from gated_ray.sources.remote.answers import RemoteFile
from gated_ray.sources.resolving import origin_of
from tests.checkpoints.sound import sound_checkpoint
from tests.servers.hub import HubServer
from tests.servers.hub_faults import Fault, always, ignore_range, on_cdn, on_hub, refuse, shift_range, truncate
from tests.servers.hub_http import Response
from tests.servers.hub_log import Request
from tests.servers.hub_redirects import moved_to
from tests.sources.reading import read_bytes

REPO = "org/gated"
TOKEN = "hf_secret_of_the_tests"


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
    "origin",
    [
        "https://127.0.0.1:{port}",
        "http://127.0.0.1:1",
        "http://127.0.0.1",
        "http://localhost:{port}",
        "http://127.0.0.1:{port}@example.org",
        "https://huggingface.co",
        "https://hf.co",
    ],
)
def test_other_hosts_are_not_the_hub(
    hub: HubServer, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch, origin: str
) -> None:
    """Whatever a version of huggingface_hub thinks of a redirect."""
    origin = origin.format(port=_port(hub))
    hub.faults.append(always(moved_to(origin), on_hub))
    links: list[RemoteFile] = []
    monkeypatch.setattr("gated_ray.sources.hub.read_remote", lambda spans, link, allocate: links.append(link.get()))
    open_origin(checkpoint.location).read_spans(checkpoint.files[-1], [(0, 1)])
    (link,) = links
    assert link.url.startswith(origin)
    assert link.headers == {}
    assert link.signed


def test_the_hub_itself_is_one(hub: HubServer, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    links: list[RemoteFile] = []
    monkeypatch.setattr("gated_ray.sources.hub.read_whole", lambda size, link: links.append(link.get()))
    open_origin(checkpoint.location).read_file(checkpoint.files[0])
    (link,) = links
    assert link.url.startswith(f"{hub.endpoint}/")
    assert link.headers["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://hub/hf", "https://HUB:443/x", True),
        ("http://hub:80", "http://hub", True),
        ("http://hub", "https://hub", False),
        ("http://hub:443", "https://hub:443", False),
        ("https://hub", "https://hub.example.org", False),
        ("https://hub", "https://hub@example.org", False),
    ],
)
def test_origins(one: str, other: str, same: bool) -> None:
    assert (origin_of(one) == origin_of(other)) == same


def test_a_redirect_to_nowhere(hub: HubServer, checkpoint: Checkpoint, pauses: list[float]) -> None:
    hub.faults.append(always(moved_to(f"http://127.0.0.1:{_port(hub)}.example.org"), on_hub))
    with pytest.raises(TransientError, match="does not answer as a Hub does"):
        _read_all(checkpoint)


def _port(hub: HubServer) -> str:
    return hub.endpoint.rpartition(":")[2]


def _of_localhost(hub: HubServer) -> list[Request]:
    return [request for request in hub.hub_requests() if request.headers["host"].startswith("localhost")]


def test_the_token_does_not_follow_to_another_name_of_the_hub(hub: HubServer, checkpoint: Checkpoint) -> None:
    hub.faults.append(always(moved_to(f"http://localhost:{_port(hub)}"), on_hub))
    with pytest.raises(GatedRayError):
        _read_all(checkpoint)
    assert {request.token for request in _of_localhost(hub)} == {None}


@pytest.mark.usefixtures("checkpoint")
def test_the_token_does_not_follow_a_redirect_of_the_api(hub: HubServer) -> None:
    def elsewhere(request: Request) -> Fault | None:
        if not request.path.startswith("/api/models/") or request.headers["host"].startswith("localhost"):
            return None
        return lambda _: Response(307, {"Location": f"http://localhost:{_port(hub)}{request.target}"})

    hub.faults.append(elsewhere)
    open_checkpoint(REPO)
    assert {request.token for request in _of_localhost(hub)} == {None}


@pytest.mark.parametrize("text", [f"  {TOKEN}\n", f"{TOKEN}\r\n"])
def test_a_token_with_white_space(
    hub: HubServer, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", text)
    hub.clear_log()
    _read_all(checkpoint)
    assert {request.token for request in hub.hub_requests()} == {TOKEN}


def test_an_empty_token_is_none(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", " ")
    hub.add_repo("org/public", sound_checkpoint(tmp_path / "public"))
    open_checkpoint("org/public")
    assert {request.token for request in hub.hub_requests()} == {None}


def test_the_token_of_a_login(
    hub: HubServer, checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`hf auth login` writes it there."""
    monkeypatch.delenv("HF_TOKEN")
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
    hub.clear_log()
    _read_all(checkpoint)
    assert {request.token for request in hub.hub_requests()} == {TOKEN}


@pytest.mark.usefixtures("checkpoint")
def test_a_token_that_must_not_be_sent_unasked(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_IMPLICIT_TOKEN", True)
    hub.clear_log()
    with pytest.raises(AccessError, match="set HF_TOKEN"):
        open_checkpoint(REPO)
    assert {request.token for request in hub.hub_requests()} == {None}


def test_what_cannot_be_a_token_is_not_shown(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    monkeypatch.setenv("HF_TOKEN", f"\u201c{TOKEN}\u201d")
    with pytest.raises(InputError, match="org/name: the token has characters that no token has") as refusal:
        open_checkpoint("org/name")
    assert TOKEN not in "".join(traceback.format_exception(refusal.value))
    assert not pauses
    assert not hub.log


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
