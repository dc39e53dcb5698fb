"""Where a model is that was seen before: there still, under another name, or nowhere."""

from pathlib import Path

import pytest

from gated_ray.errors import AccessError, GatedRayError, InputError, ReferenceNotFoundError, TransientError
from gated_ray.sources.hub_listing import Whereabouts, whereabouts
from gated_ray.sources.remote.retry import ATTEMPTS
from tests.servers.hub import HubServer
from tests.servers.hub_faults import always, first, on_api, on_hub, refuse
from tests.servers.hub_http import Response

TOKEN = "hf_secret_of_the_tests"
NOWHERE = Whereabouts(None, None)


@pytest.fixture
def commit(hub: HubServer, tmp_path: Path) -> str:
    """Of org/a, which has a private neighbour and a gated one."""
    (tmp_path / "config.json").write_text("{}")
    hub.add_repo("org/private", tmp_path, private=True, token=TOKEN)
    hub.add_repo("org/gated", tmp_path, gated=True, token=TOKEN)
    return hub.add_repo("org/a", tmp_path)


def test_there_still(hub: HubServer, commit: str, tmp_path: Path) -> None:
    assert whereabouts("org/a") == Whereabouts("org/a", commit)
    assert [request.query for request in hub.log] == [{"expand": ["sha"]}]
    hub.add_repo("org/a", tmp_path, commit="1" * 40)
    assert whereabouts("org/a") == Whereabouts("org/a", "1" * 40)


def test_renamed(hub: HubServer, commit: str) -> None:
    hub.rename("org/a", "new/b")
    assert whereabouts("org/a") == whereabouts("new/b") == Whereabouts("new/b", commit)


@pytest.mark.usefixtures("commit")
def test_deleted(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.rename("org/a", "org/b")
    hub.remove_repo("org/b")
    assert whereabouts("org/a") == whereabouts("org/b") == NOWHERE
    hub.tokens.add(TOKEN)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert whereabouts("org/a") == NOWHERE


def test_private_and_gated(commit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert whereabouts("org/private") == NOWHERE
    assert whereabouts("org/gated") == Whereabouts("org/gated", commit)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert whereabouts("org/private") == Whereabouts("org/private", commit)


def test_asked_again(hub: HubServer, commit: str, pauses: list[float]) -> None:
    hub.faults.append(first(2, refuse(503), on_api))
    assert whereabouts("org/a") == Whereabouts("org/a", commit)
    assert len(pauses) == 2


@pytest.mark.usefixtures("commit")
def test_no_answer_is_not_taken_for_a_deletion(
    hub: HubServer, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.faults.append(always(refuse(503), on_hub))
    with pytest.raises(TransientError, match="org/a: the Hub answered 503"):
        whereabouts("org/a")
    assert len(pauses) == ATTEMPTS - 1
    hub.faults[:] = [always(refuse(404), on_hub)]
    with pytest.raises(InputError, match="org/a: the Hub answered 404"):
        whereabouts("org/a")
    hub.faults[:] = [always(lambda _: Response(403, {"X-Error-Code": "GatedRepo"}, b"{}"), on_hub)]
    with pytest.raises(AccessError, match="org/a: a gated repository"):
        whereabouts("org/a")
    hub.faults.clear()
    monkeypatch.setenv("HF_TOKEN", "hf_revoked")
    with pytest.raises(AccessError, match="org/a: the Hub refused the token"):
        whereabouts("org/a")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="HF_HUB_OFFLINE"):
        whereabouts("org/a")


@pytest.mark.usefixtures("hub")
def test_what_is_no_name() -> None:
    with pytest.raises(ReferenceNotFoundError, match="not a valid repository name"):
        whereabouts("org/" + "x" * 100)


@pytest.mark.parametrize("sha", ["null", '"main"'])
def test_a_hub_that_names_no_commit(hub: HubServer, sha: str) -> None:
    answer = f'{{"id": "org/a", "sha": {sha}}}'.encode()
    hub.faults.append(always(lambda _: Response(200, {"Content-Type": "application/json"}, answer), on_hub))
    with pytest.raises(GatedRayError, match=r"org/a: http://.* named no commit for it, but"):
        whereabouts("org/a")
