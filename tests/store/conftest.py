"""An empty store on each backend: a folder, moto's server and nanio."""

import functools
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gated_ray.s3 import make_client
from gated_ray.settings import StoreSettings
from gated_ray.store.bucket import BucketObjects
from gated_ray.store.objects import Objects, open_objects
from tests.servers.s3 import S3Server

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


@pytest.fixture(autouse=True)
def no_power_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for the disk would take most of these tests' time."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


@functools.cache
def _bucket(server: S3Server) -> str:
    return server.make_bucket(f"store-{uuid.uuid4().hex[:12]}")


@functools.cache
def _client(endpoint_url: str) -> "S3Client":
    """Making a client takes longer than most tests here."""
    return make_client(endpoint_url)


def _use(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> StoreSettings:
    """A prefix of its own, with the server's keys in the environment."""
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    return StoreSettings(url=f"s3://{_bucket(server)}/{uuid.uuid4().hex[:12]}/prefix", endpoint_url=server.endpoint_url)


def _open(settings: StoreSettings) -> Objects:
    objects = open_objects(settings)
    if isinstance(objects, BucketObjects):
        objects.client = _client(settings.endpoint_url)
    return objects


@pytest.fixture(params=["folder", "moto", "nanio"])
def store_settings(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> StoreSettings:
    if request.param == "folder":
        return StoreSettings(url=str(request.getfixturevalue("tmp_path") / "results"))
    return _use(request.getfixturevalue(request.param), monkeypatch)


@pytest.fixture
def objects(store_settings: StoreSettings) -> Objects:
    """An empty store on each backend."""
    return _open(store_settings)


@pytest.fixture
def bucket_settings(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> StoreSettings:
    return _use(s3_server, monkeypatch)


@pytest.fixture
def s3_objects(bucket_settings: StoreSettings) -> Objects:
    """An empty store on each S3 server."""
    return _open(bucket_settings)


@pytest.fixture
def folder_objects(tmp_path: Path) -> Objects:
    """An empty store in a folder, for what no backend changes."""
    return open_objects(StoreSettings(url=str(tmp_path / "reference")))
