"""The proxy that the environment names is used by the Hub's client, by the ranges and by S3 alike, and not besides."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from huggingface_hub import close_session

from gated_ray.errors import GatedRayError, InputError
from gated_ray.network import proxy_for
from gated_ray.s3 import make_client
from gated_ray.sources.checkpoint import open_checkpoint
from gated_ray.sources.slices import TensorSlice
from tests.checkpoints.sound import GATE, sound_checkpoint
from tests.servers.hub import HubServer
from tests.servers.hub_faults import always, on_hub
from tests.servers.hub_redirects import moved_to
from tests.servers.proxy import ForwardProxy
from tests.servers.s3 import S3Server
from tests.servers.tls import Authority, tls_before
from tests.sources.reading import read_bytes

PASSWORD = "pass-of-the-proxy"
TOKEN = "hf_that_no_proxy_sees"


@pytest.fixture(autouse=True)
def _fresh_client(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """huggingface_hub reads proxies and certificates when it makes its client."""
    for name in ("no_proxy", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    close_session()
    yield
    close_session()


@pytest.fixture
def proxy() -> Iterator[ForwardProxy]:
    with ForwardProxy() as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return sound_checkpoint(tmp_path / "sound")


def _read(ref: str) -> None:
    checkpoint = open_checkpoint(ref)
    assert read_bytes(checkpoint, [TensorSlice(checkpoint.tensors[GATE])])


def _hosts(*urls: str) -> set[str]:
    return {urlsplit(url).netloc for url in urls}


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
def test_the_hub(
    hub: HubServer, folder: Path, proxy: ForwardProxy, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    hub.add_repo("org/sound", folder)
    monkeypatch.setenv(variable, proxy.url)
    _read("org/sound")
    assert proxy.hosts("HEAD") == _hosts(hub.endpoint)
    assert proxy.hosts("GET") == _hosts(hub.endpoint, hub.cdn_endpoint)


@pytest.mark.parametrize("no_proxy", ["127.0.0.1,localhost", "127.0.0.0/8, localhost", "*"])
def test_hosts_without_a_proxy(
    hub: HubServer, folder: Path, proxy: ForwardProxy, monkeypatch: pytest.MonkeyPatch, no_proxy: str
) -> None:
    hub.add_repo("org/sound", folder)
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", no_proxy)
    _read("org/sound")
    assert not proxy.log


def test_one_of_two_hosts_without_a_proxy(
    hub: HubServer, folder: Path, proxy: ForwardProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add_repo("org/sound", folder)
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv("no_proxy", "localhost")
    _read("org/sound")
    assert proxy.hosts("GET") == _hosts(hub.endpoint)


def test_tls_goes_through_a_tunnel(
    hub: HubServer, folder: Path, proxy: ForwardProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add_repo("org/private", folder, private=True, token=TOKEN)
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.bundle))
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with tls_before(authority, urlsplit(hub.endpoint).port or 0) as port:
        monkeypatch.setenv("HF_ENDPOINT", f"https://localhost:{port}")
        checkpoint = open_checkpoint("org/private")
        read_bytes(checkpoint, [TensorSlice(checkpoint.tensors[GATE])])
        assert proxy.hosts("CONNECT") == {f"localhost:{port}"}
    assert {seen.method for seen in proxy.log} == {"CONNECT"}
    assert len(proxy.log) > 1, "the client of the Hub and that of the ranges"
    assert TOKEN not in repr(proxy.log)
    assert {request.token for request in hub.hub_requests()} == {TOKEN}


def test_a_proxy_that_does_not_let_us_reach_the_storage(
    hub: HubServer,
    folder: Path,
    proxy: ForwardProxy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    pauses: list[float],
) -> None:
    hub.add_repo("org/sound", folder)
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.bundle))
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    with tls_before(authority, urlsplit(hub.cdn_endpoint).port or 0) as port:
        hub.faults.append(always(moved_to(f"https://localhost:{port}"), on_hub))
        proxy.refused.add(f"localhost:{port}")
        with pytest.raises(InputError, match=r"org/sound: model.* the proxy refuses to connect to localhost \(403\)"):
            open_checkpoint("org/sound")
    assert not pauses


def test_a_proxy_with_a_password(hub: HubServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add_repo("org/sound", folder)
    with ForwardProxy("somebody", PASSWORD) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        _read("org/sound")
        assert proxy.hosts("GET") == _hosts(hub.endpoint, hub.cdn_endpoint)


def _refusal(ref: str, seen: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(GatedRayError) as refusal:
        open_checkpoint(ref)
    message = str(refusal.value)
    assert "\n" not in message
    assert PASSWORD not in message + "".join(seen.readouterr())
    return message


@pytest.mark.usefixtures("pauses")
def test_a_password_is_never_said(
    hub: HubServer, nanio: S3Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in nanio.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", nanio.endpoint_url)
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))
    with ForwardProxy("somebody", "else") as proxy:
        for url in (f"http://somebody:{PASSWORD}@{proxy.address}", f"http://somebody:{PASSWORD}@127.0.0.1:1"):
            monkeypatch.setenv("HTTP_PROXY", url)
            close_session()
            assert "org/name" in _refusal("org/name", capsys)
            assert "s3://bucket/model" in _refusal("s3://bucket/model", capsys)


@pytest.mark.parametrize(
    "bad", [f"ftp://u:{PASSWORD}@host:1", f"http://u:{PASSWORD}@host:port", f"http://u:{PASSWORD}@"]
)
def test_what_is_no_proxy(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], bad: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", bad)
    assert "https_proxy is no proxy's URL" in _refusal("org/name", capsys)
    assert "https_proxy is no proxy's URL" in _refusal("s3://bucket/model", capsys)


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY"])
def test_s3(nanio: S3Server, folder: Path, proxy: ForwardProxy, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    bucket = nanio.make_bucket(f"proxied-{uuid4().hex[:8]}")
    for path in folder.iterdir():
        nanio.client().upload_file(str(path), bucket, f"model/{path.name}")
    for name, value in nanio.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", nanio.endpoint_url)
    monkeypatch.setenv(variable, proxy.url)
    _read(f"s3://{bucket}/model")
    targets = [seen.target for seen in proxy.log]
    assert any("list-type=2" in target for target in targets), "boto3's own calls"
    assert any("X-Amz-Signature" in target for target in targets), "the ranges"
    monkeypatch.setenv("NO_PROXY", "127.0.0.0/8")
    _read(f"s3://{bucket}/model")
    assert len(proxy.log) == len(targets)


def test_s3_through_socks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")
    with pytest.raises(InputError, match="SOCKS"):
        make_client("http://127.0.0.1:9000")


def test_the_hub_through_socks_says_what_to_install(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the package is not there, as here."""
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")
    with pytest.raises(InputError, match="socksio"):
        open_checkpoint("org/name")


@pytest.mark.parametrize(
    ("no_proxy", "host", "direct"),
    [
        ("example.org", "https://example.org", True),
        ("example.org", "https://www.example.org", True),
        (".example.org", "https://www.example.org", True),
        ("example.org", "https://example.com", False),
        ("host:8080", "https://host:8080", True),
        ("host:8080", "https://host:9090", False),
        ("10.0.0.0/8", "https://10.1.2.3:9000/bucket", True),
        ("10.0.0.0/8", "https://11.1.2.3", False),
        ("10.0.0.0/8, other", "https://name-of-10", False),
        ("::1", "https://[::1]:443", True),
        ("", "https://example.org", False),
    ],
)
def test_no_proxy(monkeypatch: pytest.MonkeyPatch, no_proxy: str, host: str, direct: bool) -> None:
    monkeypatch.setenv("https_proxy", "proxy:3128")
    monkeypatch.setenv("no_proxy", no_proxy)
    assert proxy_for(host) == ("" if direct else "proxy:3128")
