"""What the Hub refuses, as one clear line that names the model."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from gated_ray.errors import AccessError, InputError, ReferenceNotFoundError, TransientError, UnsupportedError
from gated_ray.sources.checkpoint import open_checkpoint, open_origin, read_tensors
from gated_ray.sources.remote.retry import ATTEMPTS
from gated_ray.sources.slices import TensorSlice
from tests.checkpoints.broken import BROKEN
from tests.checkpoints.sound import GATE, sound_checkpoint
from tests.servers.hub import HubServer
from tests.servers.hub_faults import Fault, always, on_api, on_hub, refuse
from tests.servers.hub_http import Response
from tests.servers.hub_log import Request

TOKEN = "hf_that_opens_it"
OTHER = "hf_of_somebody_else"
NO_FOLDER = r"\(there is no folder of that name either\)"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return sound_checkpoint(tmp_path / "sound")


def _refusal(ref: str, kind: type[InputError]) -> str:
    with pytest.raises(kind) as refusal:
        open_checkpoint(ref)
    message = str(refusal.value)
    assert "\n" not in message
    assert ref.partition("@")[0] in message
    return message


@pytest.mark.parametrize("token", [None, OTHER])
def test_no_such_repository(hub: HubServer, monkeypatch: pytest.MonkeyPatch, token: str | None) -> None:
    if token:
        hub.tokens.add(token)
        monkeypatch.setenv("HF_TOKEN", token)
    message = _refusal("org/nothing", ReferenceNotFoundError)
    assert "no such repository" in message
    assert ("HF_TOKEN" in message) == (token is None)


def test_private_without_a_token(hub: HubServer, folder: Path) -> None:
    hub.add_repo("org/private", folder, private=True, token=TOKEN)
    message = _refusal("org/private", ReferenceNotFoundError)
    assert "private" in message
    assert "HF_TOKEN" in message
    assert "hf auth login" in message


def test_private_with_its_token(hub: HubServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add_repo("org/private", folder, private=True, token=TOKEN)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert GATE in open_checkpoint("org/private").tensors


def test_gated_without_a_token(hub: HubServer, folder: Path) -> None:
    hub.add_repo("org/gated", folder, gated=True, token=TOKEN)
    message = _refusal("org/gated", AccessError)
    assert "gated" in message
    assert "HF_TOKEN" in message
    assert "config.json" not in message, "it is the repository that is gated, not a file"


def test_gated_without_access(hub: HubServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add_repo("org/gated", folder, gated=True, token=TOKEN)
    hub.tokens.add(OTHER)
    monkeypatch.setenv("HF_TOKEN", OTHER)
    message = _refusal("org/gated@main", AccessError)
    assert "ask for access" in message
    assert OTHER not in message


def test_access_lost_between_opening_and_reading(hub: HubServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add_repo("org/gated", folder, gated=True, token=TOKEN)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    checkpoint = open_checkpoint("org/gated")
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(AccessError, match="org/gated: a gated repository"):
        read_tensors(open_origin(checkpoint.location), [TensorSlice(checkpoint.tensors[GATE])])


def test_a_token_nobody_knows(hub: HubServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add_repo("org/public", folder)
    monkeypatch.setenv("HF_TOKEN", "hf_revoked")
    message = _refusal("org/public", AccessError)
    assert "refused the token" in message
    assert "hf_revoked" not in message


@pytest.mark.parametrize("revision", ["nowhere", "refs/pr/9", "0" * 40])
def test_no_such_revision(hub: HubServer, folder: Path, revision: str) -> None:
    hub.add_repo("org/name", folder)
    message = _refusal(f"org/name@{revision}", ReferenceNotFoundError)
    assert "no revision" in message
    assert revision in message


def test_not_a_name_the_hub_allows(hub: HubServer) -> None:
    assert "not a valid repository name" in _refusal("org/" + "x" * 100, ReferenceNotFoundError)


def test_a_disabled_repository(hub: HubServer, folder: Path) -> None:
    hub.add_repo("org/name", folder)
    disabled = Response(403, {"X-Error-Message": "Access to this resource is disabled."}, b"{}")
    hub.faults.append(always(lambda _: disabled, on_hub))
    assert "disabled" in _refusal("org/name", AccessError)


def test_a_refusal_that_would_be_repeated_is_not(hub: HubServer, folder: Path, pauses: list[float]) -> None:
    hub.add_repo("org/name", folder)
    hub.faults.append(always(refuse(400), on_hub))
    assert "400" in _refusal("org/name", InputError)
    assert not pauses


def test_an_answer_that_there_is_no_such_thing(hub: HubServer, pauses: list[float]) -> None:
    hub.faults.append(always(lambda _: Response(404, {}, b"{}"), on_hub))
    with pytest.raises(InputError, match=rf"org/name: the Hub answered 404 {NO_FOLDER}"):
        open_checkpoint("org/name")
    assert not pauses


def test_offline_mode(hub: HubServer, monkeypatch: pytest.MonkeyPatch, pauses: list[float]) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE" in _refusal("org/name", InputError)
    assert not pauses


def test_a_server_that_is_down(monkeypatch: pytest.MonkeyPatch, pauses: list[float]) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    expected = rf"org/name: cannot reach the Hub at http://127.0.0.1:9 \(\w+\) {NO_FOLDER}"
    with pytest.raises(TransientError, match=expected):
        open_checkpoint("org/name")
    assert len(pauses) == ATTEMPTS - 1


@pytest.mark.parametrize(
    "endpoint",
    ["127.0.0.1:9", "localhost", "ftp://host", "https://", "https://host:port", "https://host?x=y", "https://host#x"],
)
def test_an_endpoint_that_is_no_url(monkeypatch: pytest.MonkeyPatch, pauses: list[float], endpoint: str) -> None:
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    with pytest.raises(InputError) as refusal:
        open_checkpoint("org/name")
    said = endpoint.rstrip("/").partition("?")[0].partition("#")[0]
    assert str(refusal.value) == f"HF_ENDPOINT={said}: not the URL of a Hub; write it as https://host"
    assert not pauses


def test_an_endpoint_with_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "https://somebody:pass-word@host")
    with pytest.raises(InputError, match="HF_ENDPOINT holds a user or password") as refusal:
        open_checkpoint("org/name")
    assert "pass-word" not in str(refusal.value)


@pytest.mark.parametrize("around", ["{}/", " {}\n"])
def test_an_endpoint_with_something_around_it(
    hub: HubServer, folder: Path, monkeypatch: pytest.MonkeyPatch, around: str
) -> None:
    hub.add_repo("org/name", folder)
    monkeypatch.setenv("HF_ENDPOINT", around.format(hub.endpoint))
    assert open_checkpoint("org/name").location.endpoint == hub.endpoint
    assert not any("//" in request.path for request in hub.log)


def test_a_mirror_that_says_no_sizes(hub: HubServer, folder: Path, pauses: list[float]) -> None:
    def without_sizes(response: Response) -> Response:
        info = json.loads(response.content)
        info["siblings"] = [{"rfilename": file["rfilename"]} for file in info["siblings"]]
        return replace(response, headers={}, body=json.dumps(info).encode())

    hub.add_repo("org/name", folder)
    hub.faults.append(always(without_sizes, on_api))
    with pytest.raises(InputError, match=r"org/name: .* lists config\.json without its size; check HF_ENDPOINT"):
        open_checkpoint("org/name")
    assert not pauses


def test_a_mirror_below_a_path(hub: HubServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def below(request: Request) -> Fault | None:
        plain = replace(request, path=request.path.removeprefix("/hf"))
        return None if plain.path == request.path else lambda _: hub._hub.answer(plain)

    hub.add_repo("org/name", folder)
    hub.faults.append(below)
    monkeypatch.setenv("HF_ENDPOINT", f"{hub.endpoint}/hf/")
    checkpoint = open_checkpoint("org/name")
    assert read_tensors(open_origin(checkpoint.location), [TensorSlice(checkpoint.tensors[GATE])])
    assert all(request.path.startswith("/hf/") for request in hub.hub_requests())


def test_a_server_that_is_no_hub(hub: HubServer, pauses: list[float]) -> None:
    hub.faults.append(always(lambda _: Response(200, {"Content-Type": "text/html"}, b"<html>welcome</html>"), on_hub))
    with pytest.raises(TransientError, match=r"org/name: .* check HF_ENDPOINT"):
        open_checkpoint("org/name")


def test_pickles_that_a_pull_request_converts(hub: HubServer, folder: Path, tmp_path: Path) -> None:
    pickles, useless = tmp_path / "pickles", tmp_path / "useless"
    shutil.copytree(folder, pickles)
    BROKEN["only_pickles"](pickles)
    shutil.copytree(pickles, useless)
    (useless / "README.md").write_text("better")
    hub.add_repo("org/old", pickles)
    for number, proposed in ((3, folder), (10, folder), (12, useless)):
        hub.add_repo("org/old", proposed, f"refs/pr/{number}")
    message = _refusal("org/old", UnsupportedError)
    assert "pickle" in message
    advised = message.rpartition(" ")[2]
    assert advised == "org/old@refs/pr/10", "the newest that has safetensors"
    assert GATE in open_checkpoint(advised).tensors


def test_pickles_that_nobody_converted(hub: HubServer, folder: Path) -> None:
    BROKEN["only_pickles"](folder)
    hub.add_repo("org/old", folder)
    hub.add_repo("org/old", folder, "refs/pr/1")
    message = _refusal("org/old", UnsupportedError)
    assert "pickle" in message
    assert "save_pretrained" in message
    assert "refs/pr" not in message


def test_pickles_are_the_reason_given_even_if_no_advice_can_be_had(hub: HubServer, folder: Path) -> None:
    BROKEN["only_pickles"](folder)
    hub.add_repo("org/old", folder)
    hub.faults.append(always(refuse(500), lambda request: request.path.endswith("/refs")))
    assert "pickle" in _refusal("org/old", UnsupportedError)
