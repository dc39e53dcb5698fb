"""A checkpoint below a prefix of a bucket, on two S3 servers of different habits."""

import uuid
from pathlib import Path

import pytest

from gated_ray.architectures.finding import find_blocks
from gated_ray.errors import (
    AccessError,
    CheckpointError,
    GatedRayError,
    InputError,
    ReferenceNotFoundError,
    TransientError,
)
from gated_ray.sources.checkpoint import Checkpoint, open_checkpoint, open_origin
from tests.checkpoints.sound import CONFIG, FIRST, INDEX, LAST, sound_checkpoint
from tests.servers.s3 import S3Server, nanio_server
from tests.sources.reading import read_bytes, stored_bytes

_CHECK_KEYS = pytest.mark.parametrize("s3_server", ["moto", "nanio"], indirect=True)


@pytest.fixture(params=["presigning_moto", "nanio"])
def s3_server(request: pytest.FixtureRequest) -> S3Server:
    """Each of the S3 servers that serve presigned URLs."""
    server: S3Server = request.getfixturevalue(request.param)
    return server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return sound_checkpoint(tmp_path / "sound")


@pytest.fixture
def bucket(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new bucket, and its server's credentials in the environment."""
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)
    return s3_server.make_bucket(f"models-{uuid.uuid4().hex[:12]}")


@pytest.fixture
def ref(s3_server: S3Server, bucket: str, folder: Path) -> str:
    _upload(s3_server, bucket, folder, "some/sound")
    return f"s3://{bucket}/some/sound"


def _upload(server: S3Server, bucket: str, folder: Path, prefix: str) -> None:
    client = server.client()
    for path in folder.iterdir():
        client.put_object(Bucket=bucket, Key=f"{prefix}/{path.name}".lstrip("/"), Body=path.read_bytes())


def _open(ref: str, server: S3Server) -> Checkpoint:
    return open_checkpoint(ref, server.endpoint_url)


def _read(checkpoint: Checkpoint) -> dict[str, bytes]:
    return read_bytes(checkpoint, [part for block in find_blocks(checkpoint) for part in block.slices])


def _refusal(ref: str, server: S3Server, kind: type[GatedRayError]) -> str:
    with pytest.raises(kind) as refusal:
        _open(ref, server)
    assert "\n" not in str(refusal.value)
    assert ref in str(refusal.value)
    return str(refusal.value)


def test_the_same_tensors_as_from_the_folder(s3_server: S3Server, ref: str, folder: Path) -> None:
    checkpoint = _open(ref, s3_server)
    local = open_checkpoint(str(folder))
    assert checkpoint.config == local.config
    assert checkpoint.name == "sound"
    assert checkpoint.tensors.keys() == local.tensors.keys()
    assert _read(checkpoint) == _read(local)


def test_a_large_checkpoint_in_many_parts(s3_server: S3Server, bucket: str, scattered: Path) -> None:
    _upload(s3_server, bucket, scattered, "")
    checkpoint = _open(f"s3://{bucket}", s3_server)
    slices = [part for block in find_blocks(checkpoint)[:3] for part in block.slices]
    assert read_bytes(checkpoint, slices) == stored_bytes(scattered, slices)


def test_neighbours_below_longer_prefixes_are_not_mixed_in(s3_server: S3Server, bucket: str, ref: str) -> None:
    s3_server.client().put_object(Bucket=bucket, Key="some/sound/onnx/model.safetensors", Body=b"")
    s3_server.client().put_object(Bucket=bucket, Key="some/sound-too/model.safetensors", Body=b"")
    checkpoint = _open(ref, s3_server)
    assert set(open_origin(checkpoint.location).files()) == {CONFIG, FIRST, INDEX, LAST}


def test_the_revision_follows_the_content(s3_server: S3Server, bucket: str, ref: str, folder: Path) -> None:
    revision = _open(ref, s3_server).revision()
    assert revision == _open(f"{ref}/", s3_server).revision()
    _upload(s3_server, bucket, folder, "copy")
    assert _open(f"s3://{bucket}/copy", s3_server).revision() == revision
    content = bytearray((folder / LAST).read_bytes())
    content[-1] ^= 1
    s3_server.client().put_object(Bucket=bucket, Key=f"some/sound/{LAST}", Body=bytes(content))
    assert _open(ref, s3_server).revision() != revision
    assert revision.startswith("local-")
    assert len(revision) == len("local-") + 12


@pytest.mark.usefixtures("pauses")
def test_an_object_replaced_while_it_is_read(s3_server: S3Server, bucket: str, ref: str, folder: Path) -> None:
    checkpoint = _open(ref, s3_server)
    content = bytearray((folder / FIRST).read_bytes())
    content[-1] ^= 1
    s3_server.client().put_object(Bucket=bucket, Key=f"some/sound/{FIRST}", Body=bytes(content))
    with pytest.raises(CheckpointError, match=rf"{ref}/{FIRST} at byte \d+: another file lies there"):
        _read(checkpoint)


@pytest.mark.usefixtures("pauses")
def test_an_object_cut_short_while_it_is_read(s3_server: S3Server, bucket: str, ref: str) -> None:
    """nanio answers 400 where the standard has 416."""
    checkpoint = _open(ref, s3_server)
    s3_server.client().put_object(Bucket=bucket, Key=f"some/sound/{FIRST}", Body=b"short")
    with pytest.raises(GatedRayError, match=rf"{ref}/{FIRST} at byte \d+: .*(shorter than|answered 400)"):
        _read(checkpoint)


def test_an_object_deleted_while_it_is_read(s3_server: S3Server, bucket: str, ref: str) -> None:
    checkpoint = _open(ref, s3_server)
    s3_server.client().delete_object(Bucket=bucket, Key=f"some/sound/{FIRST}")
    with pytest.raises(CheckpointError, match=rf"{ref}/{FIRST} at byte \d+: the file is no longer there"):
        _read(checkpoint)


@_CHECK_KEYS
@pytest.mark.parametrize("wrong", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_wrong_credentials(s3_server: S3Server, ref: str, monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv(wrong, "wrong-and-secret")
    message = _refusal(ref, s3_server, AccessError)
    assert "credentials" in message
    assert "wrong-and-secret" not in message


def test_no_credentials(s3_server: S3Server, ref: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "AWS_ACCESS_KEY_ID" in _refusal(ref, s3_server, AccessError)


@pytest.mark.usefixtures("pauses")
@pytest.mark.parametrize("s3_server", ["nanio"], indirect=True)
def test_credentials_lost_between_opening_and_reading(
    s3_server: S3Server, ref: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = _open(ref, s3_server)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(AccessError, match=rf"{ref}/model-0000.*refused the signed link \(403\).*check the AWS keys"):
        _read(checkpoint)


def test_no_such_bucket(s3_server: S3Server, bucket: str) -> None:
    assert "NoSuchBucket" in _refusal("s3://nobody-has-made-this/model", s3_server, ReferenceNotFoundError)


def test_no_such_prefix(s3_server: S3Server, ref: str) -> None:
    assert "no objects" in _refusal(f"{ref}-2", s3_server, ReferenceNotFoundError)


def test_not_a_name_of_a_bucket(s3_server: S3Server, bucket: str) -> None:
    assert "valid" in _refusal("s3://not_a bucket!/model", s3_server, InputError)


def test_no_config(s3_server: S3Server, bucket: str, ref: str) -> None:
    s3_server.client().delete_object(Bucket=bucket, Key="some/sound/config.json")
    assert "config.json" in _refusal(ref, s3_server, CheckpointError)


def test_a_file_the_server_knows_no_etag_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one, other weights of the same sizes would pass for these."""
    with nanio_server(tmp_path / "disk") as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        bucket = server.make_bucket("by-hand")
        sound_checkpoint(tmp_path / "disk" / bucket / "sound")
        assert "ETag" in _refusal(f"s3://{bucket}/sound", server, CheckpointError)


def test_a_server_that_is_down(monkeypatch: pytest.MonkeyPatch, bucket: str, s3_server: S3Server) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    with pytest.raises(TransientError, match=f"s3://{bucket}/model: cannot reach S3"):
        open_checkpoint(f"s3://{bucket}/model", "http://127.0.0.1:9")


@pytest.mark.parametrize("endpoint", ["127.0.0.1:9000", "not a url"])
def test_an_endpoint_that_is_no_url(endpoint: str) -> None:
    with pytest.raises(InputError, match=f"{endpoint}.*check endpoint_url") as refusal:
        open_checkpoint("s3://bucket/model", endpoint)
    assert "\n" not in str(refusal.value)


def test_an_unknown_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(InputError, match="nobody"):
        open_checkpoint("s3://bucket/model")
