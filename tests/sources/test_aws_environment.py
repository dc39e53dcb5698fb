"""What users set for boto3 works for checkpoints in buckets too, and what is missing is said."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from botocore.awsrequest import AWSResponse, HeadersDict
from urllib3 import HTTPResponse

from gated_ray.errors import AccessError, InputError
from gated_ray.s3 import make_bucket_client
from gated_ray.sources.checkpoint import open_checkpoint
from gated_ray.sources.slices import TensorSlice
from tests.checkpoints.sound import GATE, sound_checkpoint
from tests.servers.s3 import S3Server
from tests.servers.s3_proxy import S3Proxy
from tests.sources.reading import read_bytes

SESSION_TOKEN = "the-session-token"


@pytest.fixture
def ref(presigning_moto: S3Server, tmp_path: Path) -> str:
    bucket = presigning_moto.make_bucket(f"environment-{uuid4().hex[:8]}")
    for path in sound_checkpoint(tmp_path / "sound").iterdir():
        presigning_moto.client().upload_file(str(path), bucket, f"model/{path.name}")
    return f"s3://{bucket}/model"


def _set(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def _read(ref: str) -> None:
    checkpoint = open_checkpoint(ref)
    assert read_bytes(checkpoint, [TensorSlice(checkpoint.tensors[GATE])])


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_the_endpoint(presigning_moto: S3Server, ref: str, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    _set(monkeypatch, **presigning_moto.environment(), **{variable: presigning_moto.endpoint_url})
    _read(ref)


@pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_DEFAULT_REGION", None])
def test_the_region(presigning_moto: S3Server, ref: str, monkeypatch: pytest.MonkeyPatch, variable: str | None) -> None:
    """None is needed: signatures then name the one that boto3 takes."""
    _set(monkeypatch, **presigning_moto.environment(), AWS_ENDPOINT_URL=presigning_moto.endpoint_url)
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    if variable:
        monkeypatch.setenv(variable, "eu-central-1")
    with S3Proxy(presigning_moto) as front:
        monkeypatch.setenv("AWS_ENDPOINT_URL", front.server.endpoint_url)
        _read(ref)
    regions = {request.query["X-Amz-Credential"][0].split("/")[2] for request in front.log if request.range}
    assert regions == {"eu-central-1" if variable == "AWS_DEFAULT_REGION" else "us-east-1"}


def test_a_profile(presigning_moto: S3Server, ref: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "credentials").write_text(
        f"[own]\naws_access_key_id = {presigning_moto.access_key}\naws_secret_access_key = {presigning_moto.secret_key}\n"
    )
    (tmp_path / "config").write_text(
        "[profile own]\nregion = us-east-1\nservices = own\n"
        f"[services own]\ns3 =\n  endpoint_url = {presigning_moto.endpoint_url}\n"
    )
    _set(
        monkeypatch,
        AWS_SHARED_CREDENTIALS_FILE=str(tmp_path / "credentials"),
        AWS_CONFIG_FILE=str(tmp_path / "config"),
        AWS_PROFILE="own",
    )
    _read(ref)


def test_an_unknown_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(InputError, match=r"S3 at AWS: .*nobody.*; check endpoint_url and the AWS configuration"):
        open_checkpoint("s3://bucket/model")


def test_no_credentials(presigning_moto: S3Server, ref: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", presigning_moto.endpoint_url)
    with pytest.raises(AccessError, match=rf"{ref}: no S3 credentials, which public buckets need too; set AWS_ACCESS"):
        open_checkpoint(ref)


def test_a_session_token_goes_along(presigning_moto: S3Server, ref: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with S3Proxy(presigning_moto) as front:
        _set(monkeypatch, **presigning_moto.environment(), AWS_SESSION_TOKEN=SESSION_TOKEN)
        monkeypatch.setenv("AWS_ENDPOINT_URL", front.server.endpoint_url)
        _read(ref)
    sent = [request.headers.get("x-amz-security-token") for request in front.log if "list-type" in request.query]
    signed = [request.query.get("X-Amz-Security-Token") for request in front.log if "list-type" not in request.query]
    assert set(sent) == {SESSION_TOKEN}
    assert all(token == [SESSION_TOKEN] for token in signed)


def _aws_with_a_bucket_in(region: str, status: int, asked: list[str]) -> Callable[..., AWSResponse]:
    """What AWS answers to calls of a bucket: sent on, if not to its region, else this status."""

    def answer(session: object, request: Any) -> AWSResponse:
        asked.append(request.url)
        right = f"/{region}/s3/" in str(request.headers["Authorization"])
        headers = HeadersDict({"x-amz-bucket-region": region})
        return AWSResponse(request.url, status if right else 301, headers, HTTPResponse(BytesIO()))

    return answer


@pytest.mark.parametrize("status", [200, 403])
@pytest.mark.parametrize("configured", [None, "us-east-1", "eu-central-1"])
def test_a_bucket_in_another_region(monkeypatch: pytest.MonkeyPatch, configured: str | None, status: int) -> None:
    _set(monkeypatch, AWS_ACCESS_KEY_ID="AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY="secret")
    if configured:
        monkeypatch.setenv("AWS_DEFAULT_REGION", configured)
    asked: list[str] = []
    aws = _aws_with_a_bucket_in("ap-southeast-2", status, asked)
    monkeypatch.setattr("botocore.httpsession.URLLib3Session.send", aws)
    client = make_bucket_client(None, "bucket")
    assert 1 <= len(asked) <= 2
    url = urlsplit(client.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "a/b"}))
    assert url.hostname == "bucket.s3.ap-southeast-2.amazonaws.com"
    assert "/ap-southeast-2/s3/" in parse_qs(url.query)["X-Amz-Credential"][0]


def test_no_region_of_a_bucket_that_cannot_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without credentials; which is said where it is listed."""
    assert make_bucket_client(None, "bucket").meta.endpoint_url == "https://s3.amazonaws.com"


def test_servers_of_one_region_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, AWS_ACCESS_KEY_ID="AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY="secret")
    asked: list[str] = []
    monkeypatch.setattr("botocore.httpsession.URLLib3Session.send", _aws_with_a_bucket_in("us-west-2", 200, asked))
    assert make_bucket_client("http://127.0.0.1:9", "bucket").meta.endpoint_url == "http://127.0.0.1:9"
    assert not asked
