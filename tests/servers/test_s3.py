"""The S3 servers, as boto3 sees them: what both promise, so that a test that runs on both means something."""

import hashlib
import socket
from dataclasses import replace
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.servers.s3 import S3Server, nanio_server


@pytest.fixture
def bucket(s3_server: S3Server, request: pytest.FixtureRequest) -> str:
    name = hashlib.sha1(request.node.nodeid.encode()).hexdigest()[:20]
    return s3_server.make_bucket(name)


def test_objects_come_back_as_they_were_put(s3_server: S3Server, bucket: str) -> None:
    client = s3_server.client()
    body = bytes(range(256)) * 1000
    put = client.put_object(Bucket=bucket, Key="raw/model=org--name/a.parquet", Body=body)
    got = client.get_object(Bucket=bucket, Key="raw/model=org--name/a.parquet")
    assert got["Body"].read() == body
    assert put["ETag"] == got["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    part = client.get_object(Bucket=bucket, Key="raw/model=org--name/a.parquet", Range="bytes=10-19")
    assert part["Body"].read() == body[10:20]


def test_listing(s3_server: S3Server, bucket: str) -> None:
    client = s3_server.client()
    for key in ("raw/b.parquet", "raw/a.parquet", "_units/c.json"):
        client.put_object(Bucket=bucket, Key=key, Body=b"12345")
    listed = client.list_objects_v2(Bucket=bucket, Prefix="raw/")["Contents"]
    assert [(entry["Key"], entry["Size"]) for entry in listed] == [("raw/a.parquet", 5), ("raw/b.parquet", 5)]
    assert {entry["ETag"] for entry in listed} == {f'"{hashlib.md5(b"12345").hexdigest()}"'}
    assert "Contents" not in client.list_objects_v2(Bucket=bucket, Prefix="absent/")


@pytest.mark.parametrize("wrong", ["access_key", "secret_key"])
def test_wrong_credentials_are_refused(s3_server: S3Server, bucket: str, wrong: str) -> None:
    s3_server.client().put_object(Bucket=bucket, Key="key", Body=b"secret")
    stranger = replace(s3_server, **{wrong: "wrong"})
    code = {"access_key": "InvalidAccessKeyId", "secret_key": "SignatureDoesNotMatch"}[wrong]
    for call in (
        lambda client: client.get_object(Bucket=bucket, Key="key"),
        lambda client: client.put_object(Bucket=bucket, Key="key", Body=b"forged"),
        lambda client: client.list_objects_v2(Bucket=bucket),
    ):
        with pytest.raises(ClientError) as caught:
            # A client each: nanio does not read the body of an upload that it refuses, and takes it for the next request.
            call(stranger.client())
        assert caught.value.response["Error"]["Code"] == code
    assert s3_server.client().get_object(Bucket=bucket, Key="key")["Body"].read() == b"secret"


def test_missing_bucket_and_key(s3_server: S3Server, bucket: str) -> None:
    client = s3_server.client()
    with pytest.raises(client.exceptions.NoSuchKey):
        client.get_object(Bucket=bucket, Key="absent")
    with pytest.raises(client.exceptions.NoSuchBucket):
        client.list_objects_v2(Bucket="absent-bucket")


def test_the_environment_is_all_that_boto3_needs(
    s3_server: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)
    client = boto3.session.Session().client("s3", endpoint_url=s3_server.endpoint_url)
    client.put_object(Bucket=bucket, Key="key", Body=b"body")
    assert s3_server.client().get_object(Bucket=bucket, Key="key")["Body"].read() == b"body"


def test_only_moto_keeps_to_conditional_uploads(moto: S3Server, nanio: S3Server) -> None:
    first, second = (server.client() for server in (moto, nanio))
    for client in (first, second):
        client.create_bucket(Bucket="conditional")
        client.put_object(Bucket="conditional", Key="key", Body=b"first", IfNoneMatch="*")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        first.put_object(Bucket="conditional", Key="key", Body=b"second", IfNoneMatch="*")
    second.put_object(Bucket="conditional", Key="key", Body=b"second", IfNoneMatch="*")
    assert second.get_object(Bucket="conditional", Key="key")["Body"].read() == b"second"


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RuntimeError, match="FileExistsError"), nanio_server(tmp_path / "file"):
        pass


def test_a_server_is_gone_after_its_block(tmp_path: Path) -> None:
    with nanio_server(tmp_path) as server:
        server.make_bucket("bucket")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(server.endpoint_url.rpartition(":")[2])))
    with nanio_server(tmp_path) as again:
        assert [entry["Name"] for entry in again.client().list_buckets()["Buckets"]] == ["bucket"]
