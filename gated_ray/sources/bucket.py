"""A checkpoint below a prefix of an S3 bucket."""

import hashlib
import threading
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from gated_ray.errors import CheckpointError, ReferenceNotFoundError
from gated_ray.network import proxy_for
from gated_ray.s3 import make_bucket_client, raise_for_s3, s3_ca_bundle, split_s3_url
from gated_ray.sources.buffers import Allocate, new_buffer
from gated_ray.sources.origin import FileVersion, Location, Span
from gated_ray.sources.remote.answers import RemoteFile
from gated_ray.sources.remote.deadline import within
from gated_ray.sources.remote.engine import read_remote, read_whole
from gated_ray.sources.remote.links import Link

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_SIGNED_SECONDS = 3600
_LISTING_SECONDS = 1800.0
"""Of all objects below a prefix, a thousand a request."""


class BucketOrigin:
    """Objects of one prefix, read by presigned URLs; the ETag makes a replaced object an error."""

    def __init__(self, location: Location) -> None:
        self._url = location.address
        self._bucket, self._prefix = split_s3_url(location.address)
        self._endpoint = location.endpoint
        self._links: dict[FileVersion, Link] = {}
        self._opening = threading.Lock()

    @cached_property
    def _client(self) -> "S3Client":
        return within(f"{self._url}: S3", lambda: make_bucket_client(self._endpoint, self._bucket))

    @cached_property
    def _ca_bundle(self) -> str:
        return s3_ca_bundle()

    def files(self) -> dict[str, FileVersion]:
        found = within(f"{self._url}: S3", lambda: self._listed(delimiter="/"))
        if not found:
            raise ReferenceNotFoundError(f"{self._url}: no objects below this prefix")
        return found

    def all_files(self, under: str = "") -> dict[str, FileVersion]:
        """The objects at any depth whose path begins with `under`.

        Raises:
            GatedRayError: see `raise_for_s3`.
        """
        found = within(f"{self._url}: S3", lambda: self._listed(under), _LISTING_SECONDS)
        return {path: file for path, file in found.items() if not path.endswith("/")}  # which stands for a folder

    def read_file(self, file: FileVersion) -> bytes:
        return read_whole(file.size, self._link(file))

    def read_spans(self, file: FileVersion, spans: Sequence[Span], allocate: Allocate = new_buffer) -> list[memoryview]:
        return read_remote(spans, self._link(file), allocate)

    def seen(self, file: FileVersion) -> FileVersion:
        return file

    def content_digest(self, files: Sequence[FileVersion]) -> str:
        """SHA-256 over names, sizes and ETags, which S3 derives from the content."""
        lines = sorted(f"{file.path}\0{file.size}\0{file.version}\n" for file in files)
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def missing_weights_advice(self) -> str:
        return ""

    def _listed(self, under: str = "", delimiter: str = "") -> dict[str, FileVersion]:
        prefix = f"{self._prefix}/" if self._prefix else ""
        found = {}
        try:
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=prefix + under, Delimiter=delimiter
            )
            for page in pages:
                for entry in page.get("Contents", ()):
                    name = entry["Key"].removeprefix(prefix)
                    found[name] = FileVersion(name, entry["Size"], entry["ETag"].strip('"'))
        except (BotoCoreError, ClientError) as error:
            raise_for_s3(error, self._url)
        return found

    def _link(self, file: FileVersion) -> Link:
        with self._opening:
            if file not in self._links:
                self._links[file] = Link(lambda: self._signed(file))
            return self._links[file]

    def _signed(self, file: FileVersion) -> RemoteFile:
        what = f"{self._url}/{file.path}"
        if not file.version:
            raise CheckpointError(f"{what}: the server gives no ETag to know a change by; upload the file again")
        key = f"{self._prefix}/{file.path}" if self._prefix else file.path
        try:
            url = self._client.generate_presigned_url(
                "get_object", Params={"Bucket": self._bucket, "Key": key}, ExpiresIn=_SIGNED_SECONDS
            )
        except (BotoCoreError, ClientError) as error:
            raise_for_s3(error, what)
        etags = {urlsplit(url).netloc: file.version}
        advice = "check the AWS keys and the bucket's policy"
        return RemoteFile(url, {}, file.size, what, advice, self._ca_bundle, proxy_for(url), signed=True, etags=etags)
