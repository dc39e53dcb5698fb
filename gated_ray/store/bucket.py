"""A store in an S3 bucket, through boto3 alone: whole-object PUTs, which every server makes atomic."""

import base64
import hashlib
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from time import monotonic, sleep
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from pyarrow.fs import FileSystem, S3FileSystem

from gated_ray.errors import GatedRayError, ReferenceNotFoundError, StoreError, TransientError
from gated_ray.s3 import make_client, raise_for_s3, split_s3_url
from gated_ray.store.objects import PROBE_KEY, Answer, StoredObject, concurrently

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import ListObjectsV2OutputTypeDef, ObjectTypeDef

_FIRST_PAUSE_SECONDS = 0.5
_MOST_PAUSE_SECONDS = 20.0
_PATIENCE_SECONDS = 300.0
"""How long a request is made again that S3 refuses for now, or does not answer, before the store counts as gone."""

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
        return self._patiently(lambda: self._put(key, body))

    def get(self, key: str) -> bytes:
        return self._patiently(lambda: self._get(key))

    def list(self, prefix: str, *, digest: bool = False) -> Iterator[StoredObject]:
        for stored in sorted(self._walk(self.prefix + prefix), key=lambda stored: stored.key):
            # A server that keeps ETags beside its files may have lost one.
            if digest and not stored.etag:
                with suppress(ReferenceNotFoundError):  # another writer may delete between the listing and the look
                    yield replace(stored, etag=_md5(self.get(stored.key)).hex())
            else:
                yield stored

    def delete(self, key: str) -> None:
        self._patiently(lambda: self._delete(key))

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
            self._put(PROBE_KEY, b"")
            self._delete(PROBE_KEY)
        except TransientError as error:
            raise StoreError(str(error)) from error

    def _put(self, key: str, body: bytes) -> StoredObject:
        with self._explained(key):
            answer = self.client.put_object(
                Bucket=self.bucket,
                Key=self.prefix + key,
                Body=body,
                ContentMD5=base64.b64encode(_md5(body)).decode(),
            )
        return StoredObject(key, len(body), answer["ETag"].strip('"'))

    def _get(self, key: str) -> bytes:
        with self._explained(key, passing=(TransientError, ReferenceNotFoundError)):
            return self.client.get_object(Bucket=self.bucket, Key=self.prefix + key)["Body"].read()

    def _delete(self, key: str) -> None:
        with self._explained(key):
            self.client.delete_object(Bucket=self.bucket, Key=self.prefix + key)

    def _walk(self, prefix: str) -> Iterable[StoredObject]:
        """One page where that is all; else folder by folder, many at a time.

        A server that walks a file system may page through ``a/`` before ``a-b/``, though the keys sort the other way,
        and a page that continues "after the last key" then silently leaves the second folder out. Within one folder
        all agree.
        """
        prefixes = [prefix]
        while prefixes:
            looks = concurrently(self._look, prefixes)
            prefixes = []
            for found, folders in looks:
                yield from found
                prefixes += folders

    def _look(self, prefix: str) -> tuple[Sequence[StoredObject], Sequence[str]]:
        """What is below a prefix: all of it where a page holds it, else what no deeper folder has, and those folders."""
        whole = self._page(Prefix=prefix)
        if not whole["IsTruncated"]:
            return [self._stored(each) for each in whole.get("Contents", ())], []
        found: dict[str, StoredObject] = {}
        folders: dict[str, None] = {}
        page = self._page(Prefix=prefix, Delimiter="/")
        while True:
            found |= {each["Key"]: self._stored(each) for each in page.get("Contents", ())}
            folders |= dict.fromkeys(folder["Prefix"] for folder in page.get("CommonPrefixes", ()))
            if not page["IsTruncated"]:
                return list(found.values()), list(folders)
            page = self._page(Prefix=prefix, Delimiter="/", ContinuationToken=page["NextContinuationToken"])

    def _page(self, **asked: str) -> "ListObjectsV2OutputTypeDef":
        def ask() -> "ListObjectsV2OutputTypeDef":
            with self._explained(asked["Prefix"].removeprefix(self.prefix)):
                return self.client.list_objects_v2(Bucket=self.bucket, MaxKeys=PAGE_KEYS, **asked)  # type: ignore[arg-type]

        return self._patiently(ask)

    def _stored(self, stored: "ObjectTypeDef") -> StoredObject:
        return StoredObject(stored["Key"].removeprefix(self.prefix), stored["Size"], stored["ETag"].strip('"'))

    def _patiently(self, ask: Callable[[], Answer]) -> Answer:
        """Ask until there is an answer; no request here does harm when it is made twice.

        boto3's own tries come out of a quota that a third of requests refused uses up in a few thousand; from then on it
        gives up at the first refusal.
        """
        deadline = None
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                return ask()
            except TransientError as error:
                now = monotonic()
                deadline = deadline or now + _PATIENCE_SECONDS
                if now > deadline:
                    raise StoreError(f"{error}; tried again for {_PATIENCE_SECONDS:.0f} s") from error
                sleep(random.uniform(0, pause))  # noqa: S311 - jitter, so that many workers do not come back at once
                pause = min(2 * pause, _MOST_PAUSE_SECONDS)

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
