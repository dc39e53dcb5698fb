"""The two kinds of store behave alike, and say in one line why they cannot be used."""

import errno
import hashlib
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

import pytest
from botocore.awsrequest import AWSResponse

from gated_ray.errors import GatedRayError, ReferenceNotFoundError, StoreError, TransientError
from gated_ray.settings import StoreSettings
from gated_ray.store import bucket, folder
from gated_ray.store.bucket import BucketObjects
from gated_ray.store.folder import FolderObjects
from gated_ray.store.objects import Objects, StoredObject, open_objects
from tests.servers.s3 import S3Server


def one_line(error: pytest.ExceptionInfo[GatedRayError]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def test_put_get_list_delete(objects: Objects) -> None:
    body = b"\x00parquet or so" * 1000
    stored = objects.put("neurons/model=a/part.parquet", body)
    assert stored == StoredObject("neurons/model=a/part.parquet", len(body), hashlib.md5(body).hexdigest())
    assert objects.get(stored.key) == body
    assert list(objects.list("", digest=True)) == [stored]
    objects.put(stored.key, b"again")
    assert objects.get(stored.key) == b"again"
    assert [(each.key, each.size) for each in objects.list("neurons/")] == [(stored.key, 5)]
    objects.delete(stored.key)
    objects.delete(stored.key)
    assert list(objects.list("")) == []
    with pytest.raises(ReferenceNotFoundError):
        objects.get(stored.key)


def test_list_takes_any_prefix_and_sorts_by_key(objects: Objects) -> None:
    keys = ["a/1", "a-b/1", "a.b/1", "a/0", "b", "a/c/2"]
    for key in keys:
        objects.put(key, b"x")
    assert [each.key for each in objects.list("")] == sorted(keys)
    assert [each.key for each in objects.list("a/")] == ["a/0", "a/1", "a/c/2"]
    assert [each.key for each in objects.list("a")] == sorted(set(keys) - {"b"})
    assert list(objects.list("none/")) == []


def test_long_listings_leave_nothing_out(bucket_settings: StoreSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = open_objects(bucket_settings)
    keys = [f"models/model={model}/{number}" for model in ("a", "a-b", "a.c", "b") for number in range(5)] + [
        "models/z"
    ]
    for key in keys:
        objects.put(key, b"x")
    monkeypatch.setattr(bucket, "PAGE_KEYS", 3)
    assert [each.key for each in objects.list("")] == sorted(keys)


def test_an_empty_etag_is_filled_in_on_request(
    nanio: S3Server, bucket_settings: StoreSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = open_objects(bucket_settings)
    stored = objects.put("key", b"body")
    monkeypatch.setattr(BucketObjects, "_walk", lambda self, prefix: iter([StoredObject("key", stored.size, "")]))
    assert list(objects.list("")) == [StoredObject("key", 4, "")]
    assert list(objects.list("", digest=True)) == [stored]


def test_check_writable_leaves_nothing_behind(objects: Objects) -> None:
    objects.check_writable()
    assert list(objects.list("")) == []


def test_writers_of_one_key_in_a_folder_never_show_half_an_object(tmp_path: Path) -> None:
    objects = FolderObjects(str(tmp_path))
    bodies = [bytes([number]) * 100_000 for number in range(4)]
    with ThreadPoolExecutor(8) as pool:
        writes = [pool.submit(objects.put, "a/key", body) for body in bodies * 10]
        while not all(write.done() for write in writes):
            assert all(each.size == 100_000 for each in objects.list(""))
    assert all(write.result().size == 100_000 for write in writes)
    assert objects.get("a/key") in bodies
    assert os.listdir(tmp_path / "a") == ["key"]
    assert os.listdir(tmp_path / ".tmp") == []


def test_a_killed_writer_leaves_no_key_in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = FolderObjects(str(tmp_path))
    objects.put("a/key", b"before")

    class Killed(BaseException):
        pass

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    monkeypatch.setattr(folder.os, "replace", die)
    monkeypatch.setattr(folder.Path, "unlink", die)
    with pytest.raises(Killed):
        objects.put("a/key", b"after")
    assert len(os.listdir(tmp_path / ".tmp")) == 1
    assert [each.key for each in objects.list("")] == ["a/key"]
    assert objects.get("a/key") == b"before"


def test_a_file_is_on_the_disk_before_it_gets_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[tuple[str, int]] = []
    rename = os.replace

    def renamed(source: Path, target: Path) -> None:
        steps.append(("replace", Path(source).stat().st_size))
        rename(source, target)

    monkeypatch.setattr("os.fsync", lambda descriptor: steps.append(("fsync", os.fstat(descriptor).st_size)))
    monkeypatch.setattr("os.replace", renamed)
    FolderObjects(str(tmp_path)).put("key", b"body")
    assert steps == [("fsync", 4), ("replace", 4)]


def test_a_folder_store_is_the_same_from_every_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    objects = open_objects(StoreSettings(url="./results"))
    assert objects.url == str(tmp_path / "results")


def test_eight_503s_in_a_row_are_survived(bucket_settings: StoreSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = BucketObjects(bucket_settings.url, bucket_settings.endpoint_url)
    refused: list[str] = []

    def refuse(request: Any, **_: Any) -> AWSResponse | None:
        if len(refused) == 8:
            return None
        refused.append(request.url)
        return AWSResponse(request.url, 503, {}, _Body())

    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    objects.client.meta.events.register("before-send.s3.PutObject", refuse)
    objects.put("key", b"body")
    assert len(refused) == 8
    assert objects.get("key") == b"body"


def test_requests_are_made_again_where_boto3_gives_up(
    bucket_settings: StoreSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it does at the first refusal once its quota of tries is used up."""
    objects = BucketObjects(bucket_settings.url, bucket_settings.endpoint_url)
    asked: Counter[str] = Counter()

    def refuse(request: Any, event_name: str, **_: Any) -> AWSResponse | None:
        asked[event_name] += 1
        return AWSResponse(request.url, 503, {}, _Body()) if asked[event_name] % 15 else None

    pauses: list[float] = []
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    monkeypatch.setattr(bucket, "sleep", pauses.append)
    objects.client.meta.events.register("before-send.s3", refuse)
    for number in range(3):
        objects.put(f"key-{number}", b"body")
    assert objects.get("key-0") == b"body"
    assert [stored.key for stored in objects.list("")] == ["key-0", "key-1", "key-2"]
    objects.delete("key-0")
    assert asked == {
        "before-send.s3.PutObject": 45,
        "before-send.s3.GetObject": 15,
        "before-send.s3.ListObjectsV2": 15,
        "before-send.s3.DeleteObject": 15,
    }
    assert len(pauses) > 6, "boto3's ten tries a request are soon fewer, as its quota runs dry"


def test_a_store_that_stays_away_is_given_up(bucket_settings: StoreSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 10_000, 40))
    objects = BucketObjects(bucket_settings.url, bucket_settings.endpoint_url)
    monkeypatch.setattr(bucket, "monotonic", lambda: next(clock))
    monkeypatch.setattr(bucket, "sleep", lambda seconds: None)
    monkeypatch.setattr(objects, "_put", _refuse)
    with pytest.raises(StoreError, match="S3 answered 503; tried again for 300 s"):
        objects.put("key", b"body")
    assert next(clock) == 9 * 40


def _refuse(key: str, body: bytes) -> NoReturn:
    raise TransientError("S3 answered 503")


class _Body:
    """What botocore reads an answer's body from."""

    def stream(self, **_: Any) -> list[bytes]:
        return [b""]


@pytest.mark.parametrize("wrong", ["access key", "secret key"])
def test_wrong_credentials_are_a_store_error(
    bucket_settings: StoreSettings, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID" if wrong == "access key" else "AWS_SECRET_ACCESS_KEY", "not-the-right-one")
    with pytest.raises(StoreError, match="refused these credentials") as error:
        open_objects(bucket_settings).check_writable()
    assert bucket_settings.url in one_line(error)
    assert "not-the-right-one" not in str(error.value)


def test_no_credentials_are_a_store_error(bucket_settings: StoreSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(StoreError, match="set AWS_ACCESS_KEY_ID") as error:
        open_objects(bucket_settings).check_writable()
    one_line(error)


def test_no_such_bucket_is_a_store_error(bucket_settings: StoreSettings) -> None:
    settings = StoreSettings("s3://no-such-bucket-here/results", bucket_settings.endpoint_url)
    with pytest.raises(StoreError, match="NoSuchBucket") as error:
        open_objects(settings).check_writable()
    assert "s3://no-such-bucket-here/results" in one_line(error)
    with pytest.raises(StoreError, match="NoSuchBucket"):
        list(open_objects(settings).list(""))


def test_an_unreachable_server_is_a_store_error(
    bucket_settings: StoreSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    with pytest.raises(StoreError, match="cannot reach S3") as error:
        open_objects(StoreSettings(bucket_settings.url, "http://127.0.0.1:9")).check_writable()
    one_line(error)


def test_a_path_below_a_file_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    for url in (tmp_path / "file", tmp_path / "file" / "results"):
        with pytest.raises(StoreError, match="cannot be written") as error:
            open_objects(StoreSettings(str(url))).check_writable()
        assert str(url) in one_line(error)


def test_a_file_system_that_refuses_writes_is_a_store_error() -> None:
    # Not even root writes here.
    with pytest.raises(StoreError, match="cannot be written") as error:
        open_objects(StoreSettings("/proc/gated-ray")).check_writable()
    one_line(error)


def test_a_full_disk_is_called_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(folder.os, "fsync", refuse)
    with pytest.raises(
        StoreError, match=r"No space left on device, at some/key\); make room, then run the same command"
    ) as error:
        FolderObjects(str(tmp_path)).put("some/key", b"body")
    assert str(tmp_path) in one_line(error)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_folder_that_may_not_be_read_is_no_empty_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = FolderObjects(str(tmp_path))
    objects.put("a/key", b"x")
    real = os.scandir

    def refuse(path: str) -> Any:
        if str(path).endswith("/a"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(StoreError, match="Permission denied"):
        list(objects.list(""))


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("gs://bucket/x", None),
        ("s3://", None),
        ("s3://b u c/x", None),
        ("s3://bucket", "localhost:9000"),
        ("s3://bucket", "http://"),
    ],
)
def test_impossible_settings_are_store_errors(url: str, endpoint: str | None) -> None:
    with pytest.raises(StoreError, match="store") as error:
        open_objects(StoreSettings(url, endpoint))
    one_line(error)
