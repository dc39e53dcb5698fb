"""A store in an S3 bucket, through boto3 alone: whole-object PUTs, which every server makes atomic."""

import base64
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from pyarrow.fs import FileSystem, S3FileSystem

from gated_ray.errors import GatedRayError, ReferenceNotFoundError, StoreError, TransientError
from gated_ray.s3 import make_client, raise_for_s3, split_s3_url
from gated_ray.store.objects import PROBE_KEY, StoredObject

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import ListObjectsV2OutputTypeDef

PAGE_KEYS = 1000
"""Keys in one page of a listing: the most that S3 gives."""


class BucketObjects:
    """Keys below ``s3://bucket/prefix``. ETags are whatever the server answers, without the quotes."""

    def __init__(self, url: str, endpoint_url: str | None) -> None:
        self.bucket, prefix = split_s3_url(url)
        self.prefix = f"{prefix}/" if prefix else ""
        self.endpoint_url = endpoint_url

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    @cached_property
    def client(self) -> "S3Client":
        return make_client(self.endpoint_url)

    def put(self, key: str, body: bytes) -> StoredObject:
        with self._explained(key):
            answer = self.client.put_object(
                Bucket=self.bucket,
                Key=self.prefix + key,
                Body=body,
                ContentMD5=base64.b64encode(_md5(body)).decode(),
            )
        return StoredObject(key, len(body), answer["ETag"].strip('"'))

    def get(self, key: str) -> bytes:
        with self._explained(key, passing=(TransientError, ReferenceNotFoundError)):
            return self.client.get_object(Bucket=self.bucket, Key=self.prefix + key)["Body"].read()

    def list(self, prefix: str, *, digest: bool = False) -> Iterator[StoredObject]:
        with self._explained(prefix):
            found = sorted(self._walk(self.prefix + prefix), key=lambda stored: stored.key)
        for stored in found:
            # A server that keeps ETags beside its files may have lost one.
            unknown = digest and not stored.etag
            yield replace(stored, etag=_md5(self.get(stored.key)).hex()) if unknown else stored

    def delete(self, key: str) -> None:
        with self._explained(key):
            self.client.delete_object(Bucket=self.bucket, Key=self.prefix + key)

    def filesystem(self) -> tuple[FileSystem, str]:
        with self._explained(""):
            found = self.client.head_bucket(Bucket=self.bucket)
        # boto3 reads more of the AWS configuration than Arrow does, and follows a bucket to its region.
        endpoint_url = self.client.meta.endpoint_url
        return S3FileSystem(
            region=found.get("BucketRegion") or self.client.meta.region_name,
            endpoint_override=None if endpoint_url.endswith(".amazonaws.com") else endpoint_url,
        ), f"{self.bucket}/{self.prefix}".rstrip("/")

    def check_writable(self) -> None:
        try:
            self.put(PROBE_KEY, b"")
            self.delete(PROBE_KEY)
        except TransientError as error:
            raise StoreError(str(error)) from error

    def _walk(self, prefix: str) -> Iterator[StoredObject]:
        """One page where that is all; else folder by folder.

        A server that walks a file system may page through ``a/`` before ``a-b/``, though the keys sort the other way,
        and a page that continues "after the last key" then silently leaves the second folder out. Within one folder
        all agree.
        """
        whole = self.client.list_objects_v2(Bucket=self.bucket, Prefix=prefix, MaxKeys=PAGE_KEYS)
        if not whole["IsTruncated"]:
            yield from self._contents(whole)
            return
        folders: set[str] = set()
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix, Delimiter="/", PaginationConfig={"PageSize": PAGE_KEYS}
        )
        for page in pages:
            yield from self._contents(page)
            folders.update(folder["Prefix"] for folder in page.get("CommonPrefixes", ()))
        for folder in folders:
            yield from self._walk(folder)

    def _contents(self, page: "ListObjectsV2OutputTypeDef") -> Iterator[StoredObject]:
        for stored in page.get("Contents", ()):
            yield StoredObject(stored["Key"].removeprefix(self.prefix), stored["Size"], stored["ETag"].strip('"'))

    @contextmanager
    def _explained(self, key: str, passing: tuple[type[GatedRayError], ...] = (TransientError,)) -> Iterator[None]:
        """Errors of boto3 as ours; what is not `passing` means that the store cannot be used."""
        try:
            yield
        except (BotoCoreError, ClientError) as error:
            try:
                raise_for_s3(error, f"{self.url}/{key}".rstrip("/"))
            except passing:
                raise
            except GatedRayError as ours:
                raise StoreError(str(ours)) from error


def _md5(body: bytes) -> bytes:
    return hashlib.md5(body, usedforsecurity=False).digest()
