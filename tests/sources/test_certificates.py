"""Whichever variable names the certificates to trust, the Hub's client, the ranges and S3 all heed it."""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from huggingface_hub import close_session

from gated_ray.errors import InputError
from gated_ray.network import ca_bundle
from gated_ray.sources.checkpoint import open_checkpoint, open_origin
from gated_ray.sources.slices import TensorSlice
from tests.checkpoints.sound import GATE, sound_checkpoint
from tests.servers.hub import HubServer
from tests.servers.hub_faults import always, on_hub
from tests.servers.hub_redirects import moved_to
from tests.servers.proxy import ForwardProxy
from tests.servers.s3 import S3Server
from tests.servers.tls import Authority, tls_before
from tests.sources.reading import read_bytes

REPO = "org/sound"
TOKEN = "hf_for_https_alone"
VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE")


@pytest.fixture(autouse=True)
def _fresh_client(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """huggingface_hub reads certificates when it makes its client."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    close_session()
    yield
    close_session()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    (tmp_path / "keys").mkdir()
    return Authority(tmp_path / "keys")


@pytest.fixture
def secure_hub(
    hub: HubServer, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[HubServer]:
    """The Hub and its storage host, both behind TLS; one has a model."""
    hub.add_repo(REPO, sound_checkpoint(tmp_path / "sound"))
    with (
        tls_before(authority, urlsplit(hub.endpoint).port or 0) as port,
        tls_before(authority, urlsplit(hub.cdn_endpoint).port or 0) as cdn_port,
    ):
        monkeypatch.setenv("HF_ENDPOINT", f"https://127.0.0.1:{port}")
        hub.faults.append(always(moved_to(f"https://localhost:{cdn_port}"), on_hub))
        yield hub


def _read(ref: str) -> None:
    checkpoint = open_checkpoint(ref)
    assert read_bytes(checkpoint, [TensorSlice(checkpoint.tensors[GATE])])


def _hashed(authority: Authority, folder: Path) -> Path:
    """A folder as OpenSSL wants them: by the first four bytes of the SHA-1 of the canonical subject, least first.

    Canonical is in lower case and without the outer sequence's head (X509_NAME_hash).
    """
    folder.mkdir()
    subject = x509.load_pem_x509_certificate(authority.bundle.read_bytes()).subject
    text = subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    canonical = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, str(text).lower())]).public_bytes()[2:]
    digest = hashlib.sha1(canonical).digest()
    shutil.copy(authority.bundle, folder / f"{int.from_bytes(digest[:4], 'little'):08x}.0")
    return folder


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_the_hub(secure_hub: HubServer, authority: Authority, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, str(authority.bundle))
    _read(REPO)
    assert secure_hub.cdn_requests()


def test_a_path_that_is_not_ascii(
    secure_hub: HubServer, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As below the home of somebody named José."""
    monkeypatch.setenv("SSL_CERT_FILE", str(shutil.copy(authority.bundle, tmp_path / "josé.pem")))
    _read(REPO)


def test_a_proxy_behind_tls(
    hub: HubServer, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its certificate is trusted like any other."""
    hub.add_repo(REPO, sound_checkpoint(tmp_path / "sound"))
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.bundle))
    with ForwardProxy() as proxy, tls_before(authority, urlsplit(proxy.url).port or 0) as port:
        monkeypatch.setenv("HTTP_PROXY", f"https://localhost:{port}")
        _read(REPO)
        assert {"GET", "HEAD"} <= {seen.method for seen in proxy.log}


@pytest.mark.parametrize("variable", ["SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"])
def test_a_folder_of_certificates(
    secure_hub: HubServer, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, str(_hashed(authority, tmp_path / "hashed")))
    _read(REPO)
    assert secure_hub.cdn_requests()


def _refusal(ref: str) -> str:
    with pytest.raises(InputError) as refusal:
        _read(ref)
    message = str(refusal.value)
    assert "\n" not in message
    assert message.startswith(ref)
    return message


def test_a_hub_that_is_not_trusted(secure_hub: HubServer, pauses: list[float]) -> None:
    message = _refusal(REPO)
    assert "the certificate of https://127.0.0.1:" in message
    assert "SSL_CERT_FILE" in message
    assert not pauses
    assert not secure_hub.log


def test_a_storage_host_that_is_not_trusted(
    hub: HubServer, authority: Authority, tmp_path: Path, pauses: list[float]
) -> None:
    hub.add_repo(REPO, sound_checkpoint(tmp_path / "sound"))
    with tls_before(authority, urlsplit(hub.cdn_endpoint).port or 0) as port:
        hub.faults.append(always(moved_to(f"https://localhost:{port}"), on_hub))
        message = _refusal(REPO)
    assert "the certificate of localhost is not trusted" in message
    assert "Signature" not in message
    assert not pauses


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize("content", [None, b"", b"no certificate\n"])
def test_what_is_no_bundle(
    hub: HubServer,
    nanio: S3Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    pauses: list[float],
    variable: str,
    content: bytes | None,
) -> None:
    path = tmp_path / "bundle.pem"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv(variable, str(path))
    monkeypatch.setenv("AWS_ENDPOINT_URL", nanio.endpoint_url)
    for ref in (REPO, "s3://bucket/model"):
        with pytest.raises(InputError, match=rf"^{variable}={path}: .*; give a bundle in PEM form, or unset it"):
            open_checkpoint(ref)
    assert not pauses


def test_which_goes_first(tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """As huggingface_hub's client has it for the first two; an empty one counts as none."""
    assert ca_bundle() != str(authority.bundle), "that of the system, or certifi's"
    paths = {}
    for name in ("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE"):
        paths[name] = shutil.copy(authority.bundle, tmp_path / f"{name}.pem")
        monkeypatch.setenv(name, str(paths[name]))
        assert ca_bundle() == str(paths[name])
    monkeypatch.setenv("SSL_CERT_FILE", "")
    assert ca_bundle() == str(paths["SSL_CERT_DIR"])
    assert ca_bundle(str(authority.bundle)) == str(authority.bundle)


@pytest.fixture
def secure_s3(nanio: S3Server, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The reference of a model in S3 behind TLS."""
    bucket = nanio.make_bucket(f"secure-{uuid4().hex[:8]}")
    for path in sound_checkpoint(tmp_path / "sound").iterdir():
        nanio.client().upload_file(str(path), bucket, f"model/{path.name}")
    for name, value in nanio.environment().items():
        monkeypatch.setenv(name, value)
    with tls_before(authority, urlsplit(nanio.endpoint_url).port or 0) as port:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"https://127.0.0.1:{port}")
        yield f"s3://{bucket}/model"


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_s3(secure_s3: str, authority: Authority, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, str(authority.bundle))
    _read(secure_s3)


def test_the_bundle_of_a_profile(
    secure_s3: str, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text(f"[profile own]\nca_bundle = {authority.bundle}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "own")
    _read(secure_s3)


def test_an_s3_that_is_not_trusted(secure_s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=waited.append))
    assert "AWS_CA_BUNDLE" in _refusal(secure_s3)
    assert not waited


def test_the_token_stays_with_https(
    secure_hub: HubServer, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same host without TLS is another one."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.bundle))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    secure_hub.add_repo("org/own", sound_checkpoint(tmp_path / "own"), private=True, token=TOKEN)
    checkpoint = open_checkpoint("org/own")
    secure_hub.faults.append(always(moved_to(secure_hub.endpoint), on_hub))
    secure_hub.clear_log()
    with pytest.raises(InputError):
        read_bytes(checkpoint, [TensorSlice(checkpoint.tensors[GATE])], open_origin(checkpoint.location))
    assert {request.token for request in secure_hub.log if request.method == "HEAD"} == {TOKEN}
    assert {request.token for request in secure_hub.log if request.method == "GET"} == {None}
