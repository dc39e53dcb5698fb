"""The test Hub, as the real client and libcurl see it."""

import hashlib
import os
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import numpy as np
import pycurl
import pytest
from huggingface_hub import (
    HfApi,
    HfFileMetadata,
    constants,
    get_hf_file_metadata,
    get_token,
    hf_hub_download,
    hf_hub_url,
)
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from tests.servers.fetching import fetch
from tests.servers.hub import HubServer

WEIGHTS = "model.safetensors"
SIZE = 3_000_000
TOKEN = "hf_insider"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A repository's files: small ones, one in a folder, and random weights."""
    root = tmp_path / "checkpoint"
    (root / "sub dir").mkdir(parents=True)
    (root / "config.json").write_text('{"model_type": "llama"}')
    (root / "sub dir" / "more.txt").write_text("more")
    (root / WEIGHTS).write_bytes(np.random.default_rng(0).bytes(SIZE))
    return root


def resolve(hub: HubServer, name: str = "org/open", file: str = WEIGHTS, token: str | None = None) -> HfFileMetadata:
    return get_hf_file_metadata(hf_hub_url(name, file, endpoint=hub.endpoint), token=token)


def test_model_info(hub: HubServer, folder: Path) -> None:
    commit = hub.add_repo("org/open", folder)
    info = HfApi(endpoint=hub.endpoint).model_info("org/open")
    assert (info.id, info.sha, info.private, info.gated) == ("org/open", commit, False, False)
    assert {(file.rfilename, file.size) for file in info.siblings} == {
        ("config.json", None),
        ("sub dir/more.txt", None),
        (WEIGHTS, None),
    }


def test_model_info_with_file_metadata(hub: HubServer, folder: Path) -> None:
    hub.add_repo("org/open", folder)
    info = HfApi(endpoint=hub.endpoint).model_info("org/open", files_metadata=True)
    files = {file.rfilename: file for file in info.siblings}
    assert files["config.json"].size == 23
    # What `git hash-object config.json` prints.
    assert files["config.json"].blob_id == "230d5f4da0da586aad26ead694ea67cd15bd6df1"
    assert files["config.json"].lfs is None
    assert (files[WEIGHTS].size, files[WEIGHTS].lfs.size) == (SIZE, SIZE)
    assert files[WEIGHTS].lfs.sha256 == resolve(hub).etag == hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{files[WEIGHTS].lfs.sha256}\nsize {SIZE}\n"
    assert files[WEIGHTS].lfs.pointer_size == len(pointer)
    assert files[WEIGHTS].blob_id == hashlib.sha1(f"blob {len(pointer)}\0{pointer}".encode()).hexdigest()


def test_tree_and_paths(hub: HubServer, folder: Path) -> None:
    hub.add_repo("org/open", folder)
    api = HfApi(endpoint=hub.endpoint)
    assert {entry.path for entry in api.list_repo_tree("org/open")} == {"config.json", "sub dir", WEIGHTS}
    assert {entry.path for entry in api.list_repo_tree("org/open", "sub dir")} == {"sub dir/more.txt"}
    assert set(api.list_repo_files("org/open")) == {"config.json", "sub dir/more.txt", WEIGHTS}
    found = {entry.path: entry for entry in api.get_paths_info("org/open", [WEIGHTS, "sub dir", "absent"])}
    assert set(found) == {WEIGHTS, "sub dir"}
    assert found[WEIGHTS].lfs.sha256 == resolve(hub).etag
    with pytest.raises(RemoteEntryNotFoundError):
        list(api.list_repo_tree("org/open", "absent"))


def test_revisions(hub: HubServer, folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text("{}")
    main = hub.add_repo("org/open", folder)
    changed = hub.add_repo("org/open", other, "refs/pr/3")
    tagged = hub.add_repo("org/open", other, "refs/tags/v1", commit="a" * 40)
    assert len({main, changed, tagged}) == 3
    api = HfApi(endpoint=hub.endpoint)
    refs = api.list_repo_refs("org/open", include_pull_requests=True)
    assert [(ref.name, ref.ref, ref.target_commit) for ref in refs.branches] == [("main", "refs/heads/main", main)]
    assert [(ref.name, ref.ref, ref.target_commit) for ref in refs.tags] == [("v1", "refs/tags/v1", tagged)]
    assert [(ref.ref, ref.target_commit) for ref in refs.pull_requests] == [("refs/pr/3", changed)]
    assert api.list_repo_refs("org/open").pull_requests is None
    for revision, commit in {"main": main, "refs/pr/3": changed, "v1": tagged, changed: changed}.items():
        assert api.model_info("org/open", revision=revision).sha == commit
        url = hf_hub_url("org/open", "config.json", revision=revision, endpoint=hub.endpoint)
        assert get_hf_file_metadata(url).commit_hash == commit


def test_datasets_and_models_are_apart(hub: HubServer, folder: Path, tmp_path: Path) -> None:
    """One mechanism for both; the same name may be of a model and of a dataset."""
    api = HfApi(endpoint=hub.endpoint)
    commit = hub.add_repo("datasets/org/both", folder)
    with pytest.raises(RepositoryNotFoundError):
        api.model_info("org/both")
    info = api.dataset_info("org/both", files_metadata=True)
    assert (info.id, info.sha) == ("org/both", commit)
    assert {file.rfilename for file in info.siblings or ()} == {"config.json", "sub dir/more.txt", WEIGHTS}
    (folder / "config.json").write_text("{}")
    assert hub.add_repo("org/both", folder) == api.model_info("org/both").sha != commit
    assert [model.id for model in api.list_models()] == ["org/both"]
    tree = api.list_repo_tree("org/both", "sub dir", repo_type="dataset", revision=commit, recursive=True)
    assert [entry.path for entry in tree] == ["sub dir/more.txt"]
    for name in (WEIGHTS, "sub dir/more.txt"):
        path = api.hf_hub_download("org/both", name, repo_type="dataset", cache_dir=tmp_path / "cache")
        assert Path(path).read_bytes() == (folder / name).read_bytes()
    assert {request.file for request in hub.cdn_requests()} == {WEIGHTS}
    with pytest.raises(RevisionNotFoundError):
        api.dataset_info("org/both", revision=api.model_info("org/both").sha)


def test_commit_follows_from_contents(hub: HubServer, folder: Path) -> None:
    before = hub.add_repo("org/open", folder)
    assert hub.add_repo("org/copy", folder) == before
    with (folder / WEIGHTS).open("r+b") as file:
        file.write(b"changed!")
    assert hub.add_repo("org/open", folder) != before


def test_large_files_are_redirected_to_the_cdn(hub: HubServer, folder: Path) -> None:
    commit = hub.add_repo("org/open", folder)
    metadata = resolve(hub)
    assert (metadata.commit_hash, metadata.size) == (commit, SIZE)
    assert metadata.location.startswith(f"{hub.cdn_endpoint}/")
    assert metadata.xet_file_data is None
    assert hub.cdn_requests() == []


@pytest.mark.parametrize("redirected", [False, True])
def test_small_files_stay_on_the_hub(hub: HubServer, folder: Path, redirected: bool) -> None:
    commit = hub.add_repo("org/open", folder)
    if redirected:
        hub.redirect_small_files()
    metadata = resolve(hub, file="config.json")
    assert (metadata.commit_hash, metadata.size) == (commit, 23)
    assert metadata.location.startswith(f"{hub.endpoint}/")
    assert ("resolve-cache" in metadata.location) == redirected
    path = Path(hf_hub_download("org/open", "sub dir/more.txt", endpoint=hub.endpoint))
    assert path.read_text() == "more"
    assert hub.cdn_requests() == []


def test_a_renamed_repository_is_found(hub: HubServer, folder: Path) -> None:
    commit = hub.add_repo("org/open", folder)
    hub.rename("gpt2", "org/open")
    info = HfApi(endpoint=hub.endpoint).model_info("gpt2", files_metadata=True)
    assert (info.id, info.sha) == ("org/open", commit)
    assert {file.size for file in info.siblings} == {4, 23, SIZE}
    assert resolve(hub, "gpt2").location.startswith(hub.cdn_endpoint)


def test_missing_repository(hub: HubServer) -> None:
    hub.tokens.add("hf_stranger")
    for token, status in {None: 401, "hf_stranger": 404}.items():
        with pytest.raises(RepositoryNotFoundError) as caught:
            HfApi(endpoint=hub.endpoint, token=token).model_info("org/absent")
        assert caught.value.response.status_code == status
        assert not isinstance(caught.value, GatedRepoError)


def test_missing_revision(hub: HubServer, folder: Path) -> None:
    hub.add_repo("org/open", folder)
    with pytest.raises(RevisionNotFoundError):
        HfApi(endpoint=hub.endpoint).model_info("org/open", revision="absent")
    with pytest.raises(RevisionNotFoundError):
        get_hf_file_metadata(hf_hub_url("org/open", WEIGHTS, revision="absent", endpoint=hub.endpoint))


def test_missing_file(hub: HubServer, folder: Path) -> None:
    commit = hub.add_repo("org/open", folder)
    with pytest.raises(RemoteEntryNotFoundError) as caught:
        resolve(hub, file="absent.safetensors")
    assert caught.value.response.headers["X-Repo-Commit"] == commit


def test_private_repository(hub: HubServer, folder: Path) -> None:
    commit = hub.add_repo("org/private", folder, private=True, token=TOKEN)
    hub.tokens.add("hf_stranger")
    for token in (None, "hf_stranger"):
        with pytest.raises(RepositoryNotFoundError):
            HfApi(endpoint=hub.endpoint, token=token).model_info("org/private")
        with pytest.raises(RepositoryNotFoundError):
            resolve(hub, "org/private", token=token)
    assert HfApi(endpoint=hub.endpoint, token=TOKEN).model_info("org/private").sha == commit
    assert resolve(hub, "org/private", token=TOKEN).commit_hash == commit


def test_gated_repository(hub: HubServer, folder: Path) -> None:
    commit = hub.add_repo("org/gated", folder, gated=True, token=TOKEN)
    hub.tokens.add("hf_stranger")
    for token, status in {None: 401, "hf_stranger": 403}.items():
        info = HfApi(endpoint=hub.endpoint, token=token).model_info("org/gated")
        assert (info.sha, info.gated) == (commit, "manual")
        for file in ("config.json", WEIGHTS):
            with pytest.raises(GatedRepoError) as caught:
                resolve(hub, "org/gated", file, token=token)
            assert caught.value.response.status_code == status
    assert resolve(hub, "org/gated", token=TOKEN).commit_hash == commit


def test_unknown_token_is_refused_even_for_public_repositories(hub: HubServer, folder: Path) -> None:
    hub.add_repo("org/open", folder)
    with pytest.raises(HfHubHTTPError) as caught:
        HfApi(endpoint=hub.endpoint, token="hf_mistyped").model_info("org/open")
    assert caught.value.response.status_code == 401
    assert not isinstance(caught.value, RepositoryNotFoundError)


def test_the_log_shows_where_the_token_went(hub: HubServer, folder: Path) -> None:
    hub.add_repo("org/private", folder, private=True, token=TOKEN)
    path = hf_hub_download("org/private", WEIGHTS, endpoint=hub.endpoint, token=TOKEN)
    assert Path(path).read_bytes() == (folder / WEIGHTS).read_bytes()
    assert {request.token for request in hub.hub_requests()} == {TOKEN}
    assert {request.token for request in hub.cdn_requests()} == {None}
    fetch(resolve(hub, "org/private", token=TOKEN).location, token=TOKEN)
    assert hub.cdn_requests()[-1].token == TOKEN


@pytest.mark.parametrize(
    ("range_header", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=7-1000006", 7, 1_000_006),
        ("bytes=2999990-", 2_999_990, SIZE - 1),
        ("bytes=-10", SIZE - 10, SIZE - 1),
        ("bytes=2999990-9999999", 2_999_990, SIZE - 1),
    ],
)
def test_ranges(hub: HubServer, folder: Path, range_header: str, first: int, last: int) -> None:
    hub.add_repo("org/open", folder)
    status, headers, body = fetch(resolve(hub).location, range_header)
    assert (status, headers["content-range"]) == (206, f"bytes {first}-{last}/{SIZE}")
    assert body == (folder / WEIGHTS).read_bytes()[first : last + 1]
    assert hub.weight_bytes_served() == last + 1 - first
    assert [(request.file, request.range) for request in hub.cdn_requests()] == [(WEIGHTS, range_header)]


@pytest.mark.parametrize("range_header", [None, "bytes=5-2", "bytes=0-1,5-6", "lines=1-2", "bytes=-"])
def test_no_range_or_one_that_is_not_understood(hub: HubServer, folder: Path, range_header: str | None) -> None:
    hub.add_repo("org/open", folder)
    status, headers, body = fetch(resolve(hub).location, range_header)
    assert (status, headers["accept-ranges"], body) == (200, "bytes", (folder / WEIGHTS).read_bytes())
    assert "content-range" not in headers


@pytest.mark.parametrize("range_header", [f"bytes={SIZE}-", f"bytes={SIZE}-{SIZE + 5}", "bytes=-0"])
def test_range_outside_the_file(hub: HubServer, folder: Path, range_header: str) -> None:
    hub.add_repo("org/open", folder)
    status, headers, body = fetch(resolve(hub).location, range_header)
    assert (status, headers["content-range"], body) == (416, f"bytes */{SIZE}", b"")


def test_many_connections_at_once(hub: HubServer, folder: Path) -> None:
    hub.add_repo("org/open", folder)
    url = resolve(hub).location
    step = 100_000
    ranges = [f"bytes={start}-{start + step - 1}" for start in range(0, SIZE, step)]
    with ThreadPoolExecutor(8) as pool:
        parts = list(pool.map(lambda part: fetch(url, part)[2], ranges))
    assert b"".join(parts) == (folder / WEIGHTS).read_bytes()
    assert hub.weight_bytes_served() == SIZE


def test_connections_are_kept(hub: HubServer, folder: Path) -> None:
    hub.add_repo("org/open", folder)
    curl = pycurl.Curl()
    curl.setopt(pycurl.URL, resolve(hub).location)
    curl.setopt(pycurl.WRITEFUNCTION, len)
    opened = []
    for part in ("0-9", "100-199", "5-7"):
        curl.setopt(pycurl.RANGE, part)
        curl.perform()
        opened.append(curl.getinfo(pycurl.NUM_CONNECTS))
    curl.close()
    assert opened == [1, 0, 0]
    assert hub.weight_bytes_served() == 10 + 100 + 3


def test_signatures_are_checked_and_expire(hub: HubServer, folder: Path) -> None:
    hub.add_repo("org/open", folder)
    url = resolve(hub).location
    for forged in (
        url.replace("Signature=", "Signature=0"),
        url.replace("Expires=1", "Expires=2"),
        url.partition("?")[0],
    ):
        assert fetch(forged)[0] == 403
    assert fetch(url)[0] == 200
    hub.expire_urls()
    assert fetch(url)[0] == 403
    assert fetch(resolve(hub).location)[0] == 200


def test_urls_expire_with_time(hub: HubServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add_repo("org/open", folder)
    url = resolve(hub).location
    later = time.time() + 3601
    monkeypatch.setattr(time, "time", lambda: later)
    assert fetch(url)[0] == 403
    assert fetch(resolve(hub).location)[0] == 200


def test_clear_log(hub: HubServer, folder: Path) -> None:
    hub.add_repo("org/open", folder)
    fetch(resolve(hub).location)
    hub.clear_log()
    assert (hub.log, hub.weight_bytes_served()) == ([], 0)


def test_a_client_that_hangs_up(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    os.truncate(folder / WEIGHTS, 100_000_000)
    with HubServer() as hub:
        hub.add_repo("org/open", folder)
        curl = pycurl.Curl()
        curl.setopt(pycurl.URL, resolve(hub).location)
        curl.setopt(pycurl.WRITEFUNCTION, lambda data: -1)
        with pytest.raises(pycurl.error):
            curl.perform()
        curl.close()
        assert 0 < hub.weight_bytes_served() < 50_000_000
    assert capfd.readouterr().err == ""


def test_nothing_is_left_of_a_closed_server(folder: Path) -> None:
    threads = threading.active_count()
    with HubServer() as hub:
        hub.add_repo("org/open", folder)
        kept_open = pycurl.Curl()
        kept_open.setopt(pycurl.URL, resolve(hub).location)
        kept_open.setopt(pycurl.WRITEFUNCTION, len)
        kept_open.perform()
    assert threading.active_count() == threads
    with pytest.raises(pycurl.error) as caught:
        fetch(hub.endpoint)
    assert caught.value.args[0] == pycurl.E_COULDNT_CONNECT


def test_outside_accounts_are_out_of_reach() -> None:
    assert (get_token(), constants.ENDPOINT) == (None, "https://huggingface.co")
    assert Path(constants.HF_HOME).is_relative_to(tempfile.gettempdir())
    assert boto3.session.Session().get_credentials() is None
