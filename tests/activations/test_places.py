"""The same texts in a folder, a bucket and a dataset on the Hub are the same tokens; secrets stay where they belong."""

import traceback
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gated_ray.activations.text_files import open_texts
from gated_ray.activations.token_datasets import token_dataset
from gated_ray.activations.tokenizers import Tokenizer
from gated_ray.errors import AccessError, GatedRayError, InputError, ReferenceNotFoundError, StoreError
from gated_ray.settings import DataSettings, StoreSettings
from gated_ray.store.objects import Objects, open_objects
from gated_ray.store.tokens import TokenDataset, read_shard
from tests.activations.corpora import everything, lines, one_jsonl
from tests.servers.hub import HubServer
from tests.servers.hub_faults import always, on_cdn, refuse
from tests.servers.s3 import S3Server
from tests.sources.secrets_seen import TOKEN, signatures, text_of

REPO = "datasets/org/texts"
SMALL = DataSettings(name="texts", max_length=24, max_tokens=3000, shard_tokens=700)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    everything(tmp_path / "texts")
    return tmp_path / "texts"


def rows(objects: Objects, dataset: TokenDataset) -> list[dict[str, object]]:
    return [row for shard in dataset.shards for row in read_shard(objects, shard).to_pylist()]


@pytest.fixture
def expected(folder: Path, tmp_path: Path, llama: Tokenizer) -> list[dict[str, object]]:
    objects = open_objects(StoreSettings(str(tmp_path / "expected")))
    return rows(objects, token_dataset(objects, replace(SMALL, text=str(folder)), llama))


@pytest.fixture(params=["presigning_moto", "nanio"])
def bucket(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    server: S3Server = request.getfixturevalue(request.param)
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    return server


def upload(server: S3Server, name: str, folder: Path, prefix: str) -> None:
    client = server.client()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            client.upload_file(str(path), name, f"{prefix}{path.relative_to(folder).as_posix()}")


def test_a_bucket(
    bucket: S3Server, folder: Path, objects: Objects, llama: Tokenizer, expected: list[dict[str, object]]
) -> None:
    name = bucket.make_bucket("texts-in-a-bucket")
    upload(bucket, name, folder, "some/texts/")
    upload(bucket, name, folder / "plain", "some/texts-of-others/")
    data = replace(SMALL, text=f"s3://{name}/some/texts/", endpoint_url=bucket.endpoint_url)
    dataset = token_dataset(objects, data, llama)
    assert rows(objects, dataset) == expected
    assert token_dataset(objects, data, llama) == dataset
    written = text_of(Path(objects.url))
    assert not [secret for secret in (bucket.secret_key, bucket.access_key, "X-Amz") if secret in written]
    one = replace(data, name=None, text=f"s3://{name}/some/texts/lines/deep/er/b.ndjson.gz", max_tokens=None)
    alone = token_dataset(objects, one, llama)
    assert alone.name == "b"
    assert {row["source"] for row in rows(objects, alone)} == {"b.ndjson.gz"}
    assert open_texts(f"s3://{name}", bucket.endpoint_url).name == name
    with pytest.raises(
        ReferenceNotFoundError, match=f"s3://{name}/some/tex: no object of this name or below this prefix"
    ):
        open_texts(f"s3://{name}/some/tex", bucket.endpoint_url)


def test_a_changed_object_is_refused(bucket: S3Server, folder: Path, objects: Objects, llama: Tokenizer) -> None:
    name = bucket.make_bucket("texts-that-change")
    upload(bucket, name, folder / "lines", "")
    data = replace(SMALL, text=f"s3://{name}", endpoint_url=bucket.endpoint_url)
    token_dataset(objects, data, llama)
    bucket.client().put_object(Bucket=name, Key="c.jsonl", Body=(folder / "lines" / "c.jsonl").read_bytes()[::-1])
    with pytest.raises(StoreError, match=r"other texts: c\.jsonl had another content"):
        token_dataset(objects, data, llama)


def test_a_dataset_on_the_hub(
    hub: HubServer, folder: Path, objects: Objects, llama: Tokenizer, expected: list[dict[str, object]]
) -> None:
    commit = hub.add_repo(REPO, folder)
    data = replace(SMALL, text="hf://datasets/org/texts")
    dataset = token_dataset(objects, data, llama)
    assert rows(objects, dataset) == expected
    assert {request.file for request in hub.cdn_requests()} >= {"tables/part-0.parquet", "lines/deep/er/b.ndjson.gz"}
    assert all(f"/resolve/{commit}/" in request.path for request in hub.hub_requests() if "/resolve/" in request.path)
    read = {request.file for request in hub.log if request.file}
    assert not any("hidden" in file or "README" in file for file in read if file)


def test_a_part_and_a_revision_of_a_dataset(hub: HubServer, folder: Path, tmp_path: Path) -> None:
    first = hub.add_repo(REPO, folder)
    one_jsonl(tmp_path / "other")
    hub.add_repo(REPO, tmp_path / "other", "refs/convert/parquet")
    hub.add_repo(REPO, tmp_path / "other", "refs/tags/v2")
    for text, name, files in (
        ("hf://datasets/org/texts", "texts", 21),
        (f"hf://datasets/org/texts@{first}", "texts", 21),
        ("hf://datasets/org/texts/tables", "tables", 4),
        ("hf://datasets/org/texts@main/lines/deep/", "deep", 1),
        ("hf://datasets/org/texts/lines/deep/er/b.ndjson.gz", "b", 1),
        ("hf://datasets/org/texts@v2", "texts", 1),
        ("hf://datasets/org/texts@refs/convert/parquet", "texts", 1),
        ("hf://datasets/org/texts@refs%2Fconvert%2Fparquet/a.jsonl", "a", 1),
    ):
        found = open_texts(text)
        assert (found.name, len(found.files)) == (name, files), text


def test_the_dataset_moves_on_and_what_was_read_stays(
    hub: HubServer, folder: Path, objects: Objects, llama: Tokenizer
) -> None:
    """Files are known by their content, so that a commit which changes none of them changes nothing."""
    hub.add_repo(REPO, folder)
    data = replace(SMALL, text="hf://datasets/org/texts")
    dataset = token_dataset(objects, data, llama)
    (folder / "README.md").write_text("described at last")
    hub.add_repo(REPO, folder)
    assert token_dataset(objects, data, llama) == dataset
    (folder / "tables" / "part-3.parquet").unlink()
    hub.add_repo(REPO, folder)
    with pytest.raises(StoreError, match=r"other texts: tables/part-3\.parquet is no longer there"):
        token_dataset(objects, data, llama)


@pytest.mark.parametrize("small_files_too", [False, True])
def test_the_token_goes_to_the_hub_and_nowhere_else(
    small_files_too: bool,
    hub: HubServer,
    folder: Path,
    objects: Objects,
    llama: Tokenizer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    if small_files_too:
        hub.redirect_small_files()
    hub.add_repo(REPO, folder, gated=True, token=TOKEN)
    token_dataset(objects, replace(SMALL, text="hf://datasets/org/texts"), llama)
    assert {request.token for request in hub.hub_requests()} == {TOKEN}
    assert hub.cdn_requests()
    assert not any(TOKEN in str(request) for request in hub.cdn_requests())
    written = text_of(tmp_path)
    secrets = {TOKEN, hub.cdn_endpoint, *signatures(hub.log)}
    assert len(secrets) > 3
    printed = "".join(capfd.readouterr())
    assert not [secret for secret in secrets if secret in written or secret in printed]


@pytest.mark.usefixtures("no_waiting")
def test_errors_hold_no_secret(
    hub: HubServer, folder: Path, objects: Objects, llama: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.add_repo(REPO, folder, private=True, token=TOKEN)
    hub.faults.append(always(refuse(404), on_cdn))
    with pytest.raises(GatedRayError) as error:
        token_dataset(objects, replace(SMALL, text="hf://datasets/org/texts"), llama)
    shown = "".join(traceback.format_exception(error.value))
    assert signatures(hub.log)
    assert not [secret for secret in (TOKEN, hub.cdn_endpoint, *signatures(hub.log)) if secret in shown]
    assert "\n" not in str(error.value)


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gated_ray.sources.remote.retry.sleep", lambda seconds: None)


@pytest.mark.usefixtures("no_waiting")
def test_the_network_may_falter(
    hub: HubServer, folder: Path, objects: Objects, llama: Tokenizer, expected: list[dict[str, object]]
) -> None:
    hub.add_repo(REPO, folder)
    asked: list[str] = []

    def sometimes(request: object) -> object:
        asked.append("")
        return refuse(503) if len(asked) % 3 == 0 else None

    hub.faults.append(sometimes)  # type: ignore[arg-type]
    dataset = token_dataset(objects, replace(SMALL, text="hf://datasets/org/texts"), llama)
    assert rows(objects, dataset) == expected


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        (
            "hf://datasets/org/none",
            ReferenceNotFoundError,
            "hf://datasets/org/none: no such repository on the Hub can be seen",
        ),
        (
            "hf://datasets/org/texts@v9",
            ReferenceNotFoundError,
            "hf://datasets/org/texts@v9: the repository has no revision 'v9'",
        ),
        ("hf://datasets/org/texts/none", ReferenceNotFoundError, "hf://datasets/org/texts: holds no none at "),
        ("hf://datasets/org/texts/lines/README.md", InputError, "holds no text (*.parquet"),
        (
            "hf://datasets/org/gated",
            AccessError,
            "org/gated: a gated repository that you have no access to; set HF_TOKEN",
        ),
    ],
)
def test_datasets_that_cannot_be_had(
    text: str, kind: type[GatedRayError], words: str, hub: HubServer, folder: Path, objects: Objects, llama: Tokenizer
) -> None:
    hub.add_repo(REPO, folder)
    hub.add_repo("datasets/org/gated", folder, gated=True, token=TOKEN)
    with pytest.raises(kind) as error:
        token_dataset(objects, DataSettings(text=text), llama)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_a_model_of_the_same_name_is_no_dataset(hub: HubServer, folder: Path) -> None:
    hub.add_repo("org/texts", folder)
    with pytest.raises(ReferenceNotFoundError, match="hf://datasets/org/texts: no such repository"):
        open_texts("hf://datasets/org/texts")


def test_offline(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="hf://datasets/org/texts: HF_HUB_OFFLINE forbids to ask the Hub"):
        open_texts("hf://datasets/org/texts")
    assert hub.log == []


def test_other_columns_than_the_text_are_not_read(
    hub: HubServer, tmp_path: Path, objects: Objects, llama: Tokenizer
) -> None:
    (tmp_path / "wide").mkdir()
    noise = np.random.default_rng(0).bytes(4_000_000)
    texts = [f"text {number}" for number in range(40)]
    table = pa.table({"text": texts, "noise": [noise[number * 100_000 :][:100_000] for number in range(40)]})
    pq.write_table(table, tmp_path / "wide" / "a.parquet")
    hub.add_repo(REPO, tmp_path / "wide")
    token_dataset(objects, DataSettings(text="hf://datasets/org/texts"), llama)
    assert sum(request.bytes_sent for request in hub.cdn_requests()) < 200_000


def test_lines_of_one_file_from_the_hub(hub: HubServer, tmp_path: Path, objects: Objects, llama: Tokenizer) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "data.jsonl").write_bytes(lines(["one", "two"]))
    hub.add_repo(REPO, tmp_path / "one")
    assert token_dataset(objects, DataSettings(text="hf://datasets/org/texts/data.jsonl"), llama).documents == 2
