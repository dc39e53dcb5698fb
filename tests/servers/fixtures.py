"""Fixtures that bring a Hub or an S3 server, for every test folder."""

from collections.abc import Iterator

import pytest

from tests.servers.hub import HubServer
from tests.servers.s3 import S3Server, moto_server, nanio_server


@pytest.fixture
def hub() -> Iterator[HubServer]:
    """An empty Hub."""
    with HubServer() as server:
        yield server


@pytest.fixture(scope="session")
def moto() -> Iterator[S3Server]:
    """moto's S3 server; the tests of a session share it, so each makes buckets of its own."""
    with moto_server() as server:
        yield server


@pytest.fixture(scope="session")
def presigning_moto() -> Iterator[S3Server]:
    """moto's S3 server that serves presigned URLs, to everybody."""
    with moto_server(checks_keys=False) as server:
        yield server


@pytest.fixture(scope="session")
def nanio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """nanio; the tests of a session share it, so each makes buckets of its own."""
    with nanio_server(tmp_path_factory.mktemp("nanio")) as server:
        yield server


@pytest.fixture(params=["moto", "nanio"])
def s3_server(request: pytest.FixtureRequest) -> S3Server:
    """Each of the S3 servers in turn."""
    server: S3Server = request.getfixturevalue(request.param)
    return server
