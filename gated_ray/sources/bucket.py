"""A checkpoint below a prefix of an S3 bucket."""

import hashlib
from collections.abc import Sequence

from botocore.exceptions import BotoCoreError, ClientError

from gated_ray.errors import CheckpointError, ReferenceNotFoundError, TransientError
from gated_ray.s3 import make_client, raise_for_s3, split_s3_url
from gated_ray.sources.origin import FileVersion, Location, Span
from gated_ray.sources.parts import read_in_parts


class BucketOrigin:
    """Objects of one prefix, read by ranges; `If-Match` on the ETag makes a replaced object an error."""

    def __init__(self, location: Location) -> None:
        self._url = location.address
        self._bucket, self._prefix = split_s3_url(location.address)
        self._client = make_client(location.endpoint)

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
        what = f"{self._url}/{file.path}"
        key = f"{self._prefix}/{file.path}" if self._prefix else file.path
        try:
            answer = self._client.get_object(
                Bucket=self._bucket, Key=key, Range=f"bytes={begin}-{begin + len(view) - 1}", IfMatch=file.version
            )
            body = answer["Body"].read()
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 412:
                raise CheckpointError(
                    f"{what}: changed while it was being read; run again when it is complete"
                ) from error
            raise_for_s3(error, what)
        except BotoCoreError as error:
            raise_for_s3(error, what)
        if len(body) != len(view):
            raise TransientError(f"{what}: asked for {len(view)} bytes at {begin}, got {len(body)}")
        view[:] = body
