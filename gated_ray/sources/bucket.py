"""A checkpoint below a prefix of an S3 bucket."""

import hashlib
from collections.abc import Sequence
from contextlib import closing
from functools import cached_property
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from gated_ray.errors import CheckpointError, ReferenceNotFoundError, TransientError
from gated_ray.s3 import make_client, raise_for_s3, split_s3_url
from gated_ray.sources.origin import FileVersion, Location, Span
from gated_ray.sources.parts import read_in_parts
from gated_ray.sources.retry import retried

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_SHORTER = {"InvalidRange", "InvalidArgument"}
"""What servers answer where an object is shorter than the range; the second is nanio's."""


class BucketOrigin:
    """Objects of one prefix, read by ranges; the ETag makes a replaced object an error."""

    def __init__(self, location: Location) -> None:
        self._url = location.address
        self._bucket, self._prefix = split_s3_url(location.address)
        self._endpoint = location.endpoint

    @cached_property
    def _client(self) -> "S3Client":
        return make_client(self._endpoint)

    def files(self) -> dict[str, FileVersion]:
        prefix = f"{self._prefix}/" if self._prefix else ""
        found = {}
        try:
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=prefix, Delimiter="/"
            )
            for page in pages:
                for entry in page.get("Contents", ()):
                    name = entry["Key"].removeprefix(prefix)
                    found[name] = FileVersion(name, entry["Size"], entry["ETag"].strip('"'))
        except (BotoCoreError, ClientError) as error:
            raise_for_s3(error, self._url)
        if not found:
            raise ReferenceNotFoundError(f"{self._url}: no objects below this prefix")
        return found

    def read_file(self, file: FileVersion) -> bytes:
        return bytes(self.read_spans(file, [(0, file.size)])[0])

    def read_spans(self, file: FileVersion, spans: Sequence[Span]) -> list[memoryview]:
        return read_in_parts(spans, lambda begin, view: self._read(file, begin, view))

    def content_digest(self, files: Sequence[FileVersion]) -> str:
        """SHA-256 over names, sizes and ETags, which S3 derives from the content."""
        lines = sorted(f"{file.path}\0{file.size}\0{file.version}\n" for file in files)
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def missing_weights_advice(self) -> str:
        return ""

    def _read(self, file: FileVersion, begin: int, view: memoryview) -> None:
        view[:] = retried(lambda: self._body(file, begin, len(view)), on=_CutShortError)

    def _body(self, file: FileVersion, begin: int, size: int) -> bytes:
        what = f"{self._url}/{file.path}"
        if not file.version:
            raise CheckpointError(f"{what}: the server gives no ETag to know a change by; upload the file again")
        key = f"{self._prefix}/{file.path}" if self._prefix else file.path
        byte_range = f"bytes={begin}-{begin + size - 1}"
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=key, Range=byte_range)
        except (BotoCoreError, ClientError) as error:
            if isinstance(error, ClientError) and error.response["Error"]["Code"] in _SHORTER:
                raise _changed(what) from error
            raise_for_s3(error, what)
        with closing(answer["Body"]) as stream:
            if answer.get("ETag", "").strip('"') != file.version:  # If-Match would do, but not every server heeds it
                raise _changed(what)
            if (
                answer.get("ContentRange") != f"{byte_range.replace('=', ' ')}/{file.size}"
                or answer["ContentLength"] != size
            ):
                raise CheckpointError(f"{what}: asked for {byte_range}, the server sent another range")
            try:
                return stream.read()
            except BotoCoreError as error:
                raise _CutShortError(f"{what}: connection lost ({type(error).__name__})") from error


class _CutShortError(TransientError):
    """A body that broke off. boto3 tries requests again, but not this."""


def _changed(what: str) -> CheckpointError:
    return CheckpointError(f"{what}: changed while it was being read; run again when it is complete")
