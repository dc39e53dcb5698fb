"""One way to make an S3 client and to say what went wrong with it, shared by models in buckets and by the store."""

from typing import TYPE_CHECKING, NoReturn

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
)

from gated_ray.errors import AccessError, GatedRayError, InputError, ReferenceNotFoundError, TransientError

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_DENIED = {"403", "401", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"}
_MISSING = {"404", "NoSuchBucket", "NoSuchKey", "NotFound"}


def split_s3_url(url: str) -> tuple[str, str]:
    """``s3://bucket/some/prefix/`` to ``("bucket", "some/prefix")``."""
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    return bucket, prefix.strip("/")


def make_client(endpoint_url: str | None) -> "S3Client":
    """A client that outlives several 503s in a row (three attempts do not) and sends plain, unframed bodies.

    Raises:
        InputError: the endpoint is no URL, or the AWS configuration cannot be used.
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
        return boto3.session.Session().client("s3", endpoint_url=endpoint_url, config=config)
    except (BotoCoreError, ValueError) as error:  # an unknown profile, a malformed file, an endpoint that is no URL
        raise InputError(
            f"S3 at {endpoint_url or 'AWS'}: {_one_line(error)}; check endpoint_url and the AWS configuration"
        ) from error


def raise_for_s3(error: BotoCoreError | ClientError, what: str) -> NoReturn:
    """Raise the member of our error family that says what the user can do.

    Args:
        error: what boto3 raised.
        what: the object or prefix concerned, as the user named it.

    Raises:
        AccessError: no or wrong credentials.
        InputError: not a bucket's or a key's name.
        ReferenceNotFoundError: no such bucket or key.
        TransientError: anything that may pass (throttling, connection lost).
        GatedRayError: any other answer, with its code.
    """
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        raise AccessError(
            f"{what}: no S3 credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or configure a profile or role"
        ) from error
    if isinstance(error, CredentialRetrievalError | SSOError | TokenRetrievalError):
        raise AccessError(f"{what}: no S3 credentials could be had: {_one_line(error)}") from error
    if isinstance(error, ParamValidationError):
        raise InputError(f"{what}: not a valid S3 location: {_one_line(error)}") from error
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
    if status >= 500 or code in {"SlowDown", "RequestTimeout", "Throttling"}:
        raise TransientError(f"{what}: S3 answered {status} {code}") from error
    raise GatedRayError(f"{what}: S3 answered {status} {code}") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
