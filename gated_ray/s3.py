"""One way to make an S3 client and to say what went wrong with it, shared by models in buckets and by the store."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit
from urllib.request import getproxies

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    SSLError,
    SSOError,
    TokenRetrievalError,
)

from gated_ray.errors import AccessError, GatedRayError, InputError, ReferenceNotFoundError, TransientError
from gated_ray.network import ca_bundle, proxy_for

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

# At DEBUG it writes down signatures, session tokens and what credential services answer.
logging.getLogger("botocore").setLevel(logging.INFO)

_DENIED = {"403", "401", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"}
_AWS = (".amazonaws.com", ".amazonaws.com.cn")
_MISSING = {"404", "NoSuchBucket", "NoSuchKey", "NotFound"}


def split_s3_url(url: str) -> tuple[str, str]:
    """``s3://bucket/some/prefix/`` to ``("bucket", "some/prefix")``."""
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    return bucket, prefix.strip("/")


def make_bucket_client(endpoint_url: str | None, bucket: str) -> "S3Client":
    """A client whose presigned URLs of one bucket are signed for the region that the bucket is in.

    boto3 sends its own calls on to the right region, but signs URLs for the configured one, which AWS then refuses. Other
    servers have one region, and are not asked.

    Raises:
        InputError: as `make_client`.
    """
    client = make_client(endpoint_url)
    if not (urlsplit(client.meta.endpoint_url).hostname or "").endswith(_AWS):
        return client
    try:
        answer: Mapping[str, Any] = client.head_bucket(Bucket=bucket)
    except ClientError as error:  # a refusal names the region too; what is wrong is said where the bucket is read
        answer = error.response
    except BotoCoreError:
        return client
    region = answer["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region")
    return make_client(endpoint_url, region) if region else client


def make_client(endpoint_url: str | None, region: str | None = None) -> "S3Client":
    """A client that outlives several 503s in a row (three attempts do not) and sends plain, unframed bodies.

    Args:
        endpoint_url: None leaves it to the AWS configuration.
        region: of AWS, with its own host name even in presigned URLs; None leaves both to the AWS configuration.

    Raises:
        InputError: the endpoint is no URL, or the AWS configuration, a proxy or the certificates cannot be used.
    """
    config = Config(
        signature_version="s3v4",  # else URLs are signed by the old scheme, which new regions and servers refuse
        retries={"mode": "standard", "total_max_attempts": 10},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        connect_timeout=10,
        read_timeout=60,
        max_pool_connections=32,
    )
    try:
        if region is not None:
            config = config.merge(Config(s3={"addressing_style": "virtual"}))  # which alone stops the global host name
        session = boto3.session.Session(region_name=region)
        bundle = s3_ca_bundle()
        client = session.client("s3", endpoint_url=endpoint_url, config=config, verify=bundle)
        if getproxies():
            config = config.merge(Config(proxies=_proxies(client.meta.endpoint_url)))
            client = session.client("s3", endpoint_url=endpoint_url, config=config, verify=bundle)
    except (BotoCoreError, ValueError) as error:  # an unknown profile, a malformed file, an endpoint that is no URL
        raise InputError(
            f"S3 at {endpoint_url or 'AWS'}: {_one_line(error)}; check endpoint_url and the AWS configuration"
        ) from error
    client.meta.events.register_first("needs-retry.s3", _give_up_on_certificates)
    return client


def s3_ca_bundle() -> str:
    """Path of the certificates to trust; ``AWS_CA_BUNDLE``, or the profile's ``ca_bundle``, goes before others.

    Raises:
        InputError: as `ca_bundle`.
        BotoCoreError: the AWS configuration cannot be used.
    """
    return ca_bundle(botocore.session.get_session().get_config_variable("ca_bundle"))


def _proxies(endpoint_url: str) -> dict[str, str]:
    """The proxy to the endpoint, by scheme; boto3 alone would not know ``ALL_PROXY``, nor networks in ``NO_PROXY``."""
    proxy = proxy_for(endpoint_url)
    if not proxy:
        return {}
    if proxy.startswith("socks"):
        raise InputError("S3 cannot be reached through a SOCKS proxy; set HTTPS_PROXY to an HTTP proxy, or NO_PROXY")
    return {urlsplit(endpoint_url).scheme: proxy}


def _give_up_on_certificates(caught_exception: Exception | None, **_: Any) -> None:
    """boto3 would try for a minute."""
    if isinstance(caught_exception, SSLError):
        raise caught_exception


def raise_for_s3(error: BotoCoreError | ClientError, what: str) -> NoReturn:
    """Raise the member of our error family that says what the user can do.

    Args:
        error: what boto3 raised.
        what: the object or prefix concerned, as the user named it.

    Raises:
        AccessError: no or wrong credentials.
        InputError: not a bucket's or a key's name, or a certificate that is not trusted.
        ReferenceNotFoundError: no such bucket or key.
        TransientError: anything that may pass (throttling, connection lost).
        GatedRayError: any other answer, with its code.
    """
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        raise AccessError(
            f"{what}: no S3 credentials, which public buckets need too; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
            "or configure a profile or role"
        ) from error
    if isinstance(error, CredentialRetrievalError | SSOError | TokenRetrievalError):
        raise AccessError(f"{what}: no S3 credentials could be had: {_one_line(error)}") from error
    if isinstance(error, ParamValidationError):
        raise InputError(f"{what}: not a valid S3 location: {_one_line(error)}") from error
    if isinstance(error, SSLError):
        raise InputError(
            f"{what}: the certificate of S3 is not trusted; set AWS_CA_BUNDLE to the certificates to trust"
        ) from error
    if not isinstance(error, ClientError):
        raise TransientError(f"{what}: cannot reach S3: {_one_line(error)}") from error
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in _DENIED or status in (401, 403):
        raise AccessError(
            f"{what}: S3 refused these credentials ({code}); check the AWS keys and the bucket's policy"
        ) from error
    if code in _MISSING or status == 404:
        raise ReferenceNotFoundError(f"{what}: not found on S3 ({code})") from error
    if status in (408, 429) or status >= 500 or code in {"SlowDown", "RequestTimeout", "Throttling"}:
        raise TransientError(f"{what}: S3 answered {status} {code}") from error
    raise GatedRayError(f"{what}: S3 answered {status} {code}") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
