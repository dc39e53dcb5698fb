"""The front before S3 servers: what goes through it, and what it spoils."""

from typing import TYPE_CHECKING

import boto3
import pycurl
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.servers.fetching import failure, fetch
from tests.servers.hub_faults import always, reset_after
from tests.servers.hub_ranges import other_etag, say_range, without_content_range
from tests.servers.s3 import REGION, S3Server
from tests.servers.s3_proxy import S3Proxy, expired_request, on_objects, slow_down

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

CONTENT = bytes(range(256)) * 4000


def connect(server: S3Server, **options: object) -> "S3Client":
    return boto3.client(
        "s3",
        endpoint_url=server.endpoint_url,
        region_name=REGION,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        config=Config(**options),
    )


def signed(server: S3Server, bucket: str, key: str) -> str:
    return connect(server, signature_version="s3v4").generate_presigned_url(
        "get_object", {"Bucket": bucket, "Key": key}
    )


def test_an_object_through_the_front(s3_server: S3Server) -> None:
    """Put, listed, looked up and read, as from the server itself."""
    with S3Proxy(s3_server) as proxy:
        client = proxy.server.client()
        bucket = proxy.server.make_bucket("through-the-front")
        etag = client.put_object(Bucket=bucket, Key="some/object", Body=CONTENT)["ETag"]
        (entry,) = client.list_objects_v2(Bucket=bucket)["Contents"]
        assert (entry["Key"], entry["Size"], entry["ETag"]) == ("some/object", len(CONTENT), etag)
        assert client.head_object(Bucket=bucket, Key="some/object")["ContentLength"] == len(CONTENT)
        assert client.get_object(Bucket=bucket, Key="some/object")["Body"].read() == CONTENT
        assert [request.method for request in proxy.log] == ["PUT", "PUT", "GET", "HEAD", "GET"]


def test_presigned_urls_through_the_front(nanio: S3Server) -> None:
    """They are made for the front, and checked behind it."""
    with S3Proxy(nanio) as proxy:
        bucket = proxy.server.make_bucket("presigned")
        etag = nanio.client().put_object(Bucket=bucket, Key="some/object", Body=CONTENT)["ETag"]
        url = signed(proxy.server, bucket, "some/object")
        assert url.startswith(proxy.server.endpoint_url)
        status, headers, body = fetch(url, "bytes=1000-2999")
        assert (status, headers["content-range"]) == (206, f"bytes 1000-2999/{len(CONTENT)}")
        assert (headers["etag"], body) == (etag, CONTENT[1000:3000])
        assert fetch(url.replace("X-Amz-Signature=", "X-Amz-Signature=0"))[0] == 403


def test_what_the_front_spoils(nanio: S3Server) -> None:
    with S3Proxy(nanio) as proxy:
        bucket = proxy.server.make_bucket("spoiled")
        client = nanio.client()
        client.put_object(Bucket=bucket, Key="object", Body=CONTENT)
        url = signed(proxy.server, bucket, "object")
        good = fetch(url, "bytes=0-9")
        seen = []
        for fault in (slow_down, expired_request, other_etag, say_range(total=1), without_content_range):
            proxy.faults = [always(fault, on_objects)]
            seen.append(fetch(url, "bytes=0-9"))
        assert [status for status, _, _ in seen] == [503, 403, 206, 206, 206]
        assert b"<Code>SlowDown</Code>" in seen[0][2]
        assert seen[2][1]["etag"] != good[1]["etag"]
        assert seen[3][1]["content-range"] == f"bytes 0-9/{len(CONTENT) + 1}"
        assert "content-range" not in seen[4][1]
        proxy.faults = [always(reset_after(5), on_objects)]
        assert failure(url, "bytes=0-9") == pycurl.E_RECV_ERROR
        assert fetch(url)[::2] == (200, CONTENT), "not a range"


def test_the_faults_are_those_that_boto3_knows(moto: S3Server) -> None:
    with S3Proxy(moto) as proxy:
        bucket = proxy.server.make_bucket("known-faults")
        moto.client().put_object(Bucket=bucket, Key="object", Body=CONTENT)
        client = connect(proxy.server, retries={"total_max_attempts": 1})
        for fault, code in ((slow_down, "SlowDown"), (expired_request, "AccessDenied")):
            proxy.faults = [always(fault, on_objects)]
            with pytest.raises(ClientError) as refused:
                client.get_object(Bucket=bucket, Key="object", Range="bytes=0-9")
            assert refused.value.response["Error"]["Code"] == code
