"""The test Hub's listing of models, as the real client sees it."""

import base64
import json
from itertools import islice
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import BadRequestError, HfHubHTTPError, RepositoryNotFoundError
from safetensors.numpy import save_file

from tests.servers.fetching import fetch
from tests.servers.hub import HubServer

TOKEN = "hf_insider"
STRANGER = "hf_stranger"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model of two shards: 24 + 5 parameters in float32, 7 in float16, and a scalar, which the Hub does not count."""
    root = tmp_path / "model"
    root.mkdir()
    (root / "config.json").write_text("{}")
    first = {"a": np.zeros((4, 6), np.float32), "b": np.zeros(7, np.float16)}
    save_file(first, root / "model-00001-of-00002.safetensors", {"format": "pt"})
    save_file({"c": np.zeros(5, np.float32), "d": np.zeros((), np.int64)}, root / "model-00002-of-00002.safetensors")
    return root


def api(hub: HubServer, token: str | None = None) -> HfApi:
    return HfApi(endpoint=hub.endpoint, token=token or False)


def names(hub: HubServer, token: str | None = None, **query: object) -> list[str]:
    return [model.id for model in api(hub, token).list_models(**query)]


def test_pages(hub: HubServer, folder: Path) -> None:
    for number in range(500):
        hub.add_repo(
            f"org/m{number:03d}", folder, commit=f"{number:040x}", created=f"2024-01-01T00:{number // 9:02d}:00.000Z"
        )
    hub.list_in_pages_of(100)
    listed = names(hub, sort="created_at", author="org", expand=["sha"])
    assert len(hub.log) == 5
    assert {request.path for request in hub.log} == {"/api/models"}
    assert sorted(listed) == [f"org/m{number:03d}" for number in range(500)]
    assert listed[:5] == ["org/m495", "org/m496", "org/m497", "org/m498", "org/m499"], (
        "the newest, by id where it is a tie"
    )
    assert all(request.query["expand"] == ["sha"] and request.query["author"] == ["org"] for request in hub.log)


def test_the_link_is_as_the_real_one(hub: HubServer, folder: Path) -> None:
    for number in range(3):
        hub.add_repo(f"org/{number}", folder, downloads=number)
    _, headers, _ = fetch(f"{hub.endpoint}/api/models?sort=downloads&limit=2")
    url, rel = headers["link"].split("; ")
    assert rel == 'rel="next"'
    assert url.startswith(f"<{hub.endpoint}/api/models?")
    query = parse_qs(urlsplit(url.strip("<>")).query)
    assert {name: query[name] for name in ("sort", "limit")} == {"sort": ["downloads"], "limit": ["2"]}
    condition = json.loads(base64.b64decode(query["cursor"][0]))["$or"]
    assert condition[1:] == [{"downloads": {"$lt": 1}}, {"downloads": None}]
    _, headers, _ = fetch(url.strip("<>"))
    assert "link" not in headers


def test_what_moves_between_two_pages_is_listed_twice_or_not_at_all(hub: HubServer, folder: Path) -> None:
    for number in range(6):
        hub.add_repo(f"org/{number}", folder, downloads=10 * number)
    hub.list_in_pages_of(2)
    listed = iter(api(hub).list_models(sort="downloads"))
    assert [model.id for model in islice(listed, 2)] == ["org/5", "org/4"]
    hub.add_repo("org/5", folder, downloads=25)
    hub.add_repo("org/1", folder, downloads=99)
    assert [model.id for model in listed] == ["org/3", "org/5", "org/2", "org/0"]


def test_filters(hub: HubServer, folder: Path) -> None:
    hub.add_repo("org/text", folder, pipeline_tag="text-generation", library="transformers", tags=("llama", "en"))
    hub.add_repo("org/image", folder, pipeline_tag="image-classification", library="timm", tags=("en",))
    hub.add_repo("other/text", folder, pipeline_tag="text-generation", library="transformers", gated=True, token=TOKEN)
    assert names(hub) == ["org/text", "org/image", "other/text"]
    assert names(hub, author="org") == ["org/text", "org/image"]
    assert names(hub, author="nobody") == []
    assert names(hub, pipeline_tag="text-generation") == ["org/text", "other/text"]
    assert names(hub, filter="transformers") == ["org/text", "other/text"]
    assert names(hub, filter=["transformers", "llama"]) == ["org/text"]
    assert names(hub, filter=["en", "image-classification"]) == ["org/image"]
    assert names(hub, search="TEXT") == ["org/text", "other/text"]
    assert names(hub, gated=True) == ["other/text"]
    assert names(hub, gated=False) == ["org/text", "org/image"]
    assert names(hub, limit=2) == ["org/text", "org/image"]


def test_sorting(hub: HubServer, folder: Path) -> None:
    hub.add_repo("org/a", folder, downloads=5, created="2024-05-01T00:00:00.000Z")
    hub.add_repo("org/b", folder, downloads=50, created="2023-05-01T00:00:00.000Z")
    hub.add_repo("org/c", folder, downloads=5, created="2025-05-01T00:00:00.000Z")
    assert names(hub, sort="downloads") == ["org/b", "org/a", "org/c"]
    assert names(hub, sort="created_at") == ["org/c", "org/a", "org/b"]
    assert names(hub, sort="last_modified") == ["org/c", "org/b", "org/a"]
    hub.add_repo("org/b", folder, commit="1" * 40)
    assert names(hub, sort="last_modified") == ["org/b", "org/c", "org/a"]


def test_fields(hub: HubServer, folder: Path) -> None:
    commit = hub.add_repo("org/a", folder, library="transformers", downloads=3, created="2024-05-01T00:00:00.000Z")
    (brief,) = api(hub).list_models()
    assert (brief.downloads, brief.library_name, brief.sha, brief.gated) == (3, "transformers", None, None)
    (full,) = api(hub).list_models(full=True)
    assert (full.sha, full.gated, full.author) == (commit, False, "org")
    assert {file.rfilename for file in full.siblings} == {path.name for path in folder.iterdir()}
    (expanded,) = api(hub).list_models(expand=["sha", "createdAt", "safetensors"])
    assert (expanded.sha, expanded.created_at.isoformat()) == (commit, "2024-05-01T00:00:00+00:00")
    assert dict(expanded.safetensors) == {"parameters": {"F32": 29, "F16": 7}, "total": 36}
    assert (expanded.downloads, expanded.library_name, expanded.gated) == (None, None, None)
    info = api(hub).model_info("org/a", expand=["safetensors", "downloads"])
    assert (info.safetensors.total, info.downloads, info.sha) == (36, 3, None)


def test_no_count_where_there_are_no_headers(hub: HubServer, folder: Path) -> None:
    for path in folder.glob("*.safetensors"):
        path.write_bytes(b"no header")
    hub.add_repo("org/a", folder)
    (model,) = api(hub).list_models(expand=["safetensors"])
    assert model.safetensors is None


def test_private_and_gated(hub: HubServer, folder: Path) -> None:
    hub.add_repo("org/open", folder)
    hub.add_repo("org/private", folder, private=True, token=TOKEN)
    hub.add_repo("org/gated", folder, gated="auto", token=TOKEN)
    hub.tokens.add(STRANGER)
    for token in (None, STRANGER):
        assert names(hub, token) == ["org/open", "org/gated"]
    assert names(hub, TOKEN) == ["org/open", "org/private", "org/gated"]
    gated = {model.id: model.gated for model in api(hub).list_models(expand=["gated"])}
    assert gated == {"org/open": False, "org/gated": "auto"}
    with pytest.raises(HfHubHTTPError) as refused:
        names(hub, "hf_revoked")
    assert refused.value.response.status_code == 401


@pytest.mark.parametrize(
    "query",
    [
        {"sort": "size"},
        {"sort": "trending"},
        {"expand": ["nothing"]},
        {"expand": ["usedStorage"]},
        {"num_parameters": "min:6B"},
    ],
)
def test_what_is_not_understood_is_refused(hub: HubServer, query: dict[str, object]) -> None:
    with pytest.raises(BadRequestError):
        names(hub, **query)


@pytest.mark.parametrize("query", ["limit=0", "limit=many", "sort=downloads&direction=1", "cursor=bm8", "authors=org"])
def test_what_no_client_sends_is_refused(hub: HubServer, query: str) -> None:
    status, _, body = fetch(f"{hub.endpoint}/api/models?{query}")
    assert status == 400
    assert "Invalid" in json.loads(body)["error"]


def test_new_commits_new_names_and_no_more(hub: HubServer, folder: Path) -> None:
    hub.add_repo("org/a", folder, downloads=7, tags=("llama",))
    hub.add_repo("org/a", folder, commit="1" * 40)
    (model,) = api(hub).list_models(expand=["sha", "downloads", "tags"])
    assert (model.sha, model.downloads, model.tags) == ("1" * 40, 7, ["llama"])
    hub.rename("org/a", "org/b")
    assert names(hub) == ["org/b"]
    assert api(hub).model_info("org/a").id == "org/b"
    hub.rename("org/b", "org/a")
    assert names(hub) == ["org/a"]
    assert api(hub).model_info("org/b").id == "org/a"
    hub.add_repo("org/b", folder)
    assert names(hub) == ["org/a", "org/b"]
    assert api(hub).model_info("org/b").id == "org/b", "a new repository takes the place of the redirect"
    with pytest.raises(ValueError, match="there is a repository org/b"):
        hub.rename("org/a", "org/b")
    hub.remove_repo("org/a")
    assert names(hub) == ["org/b"]
    with pytest.raises(RepositoryNotFoundError):
        api(hub).model_info("org/a")
