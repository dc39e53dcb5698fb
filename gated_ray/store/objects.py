"""The flat space of keys and bytes under a store's URL: the one interface that a folder and a bucket share."""

import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

from pyarrow.fs import FileSystem

from gated_ray.errors import StoreError
from gated_ray.settings import StoreSettings

THREADS = 16
"""Requests under way at a time where many keys are read."""

PROBE_KEY = "_units/writable"
"""Written and deleted to learn whether a store can be written."""

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]+")
_ENDPOINT = re.compile(r"https?://[^/\s]+/?")

Item = TypeVar("Item")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class StoredObject:
    """What the store holds under a key."""

    key: str
    size: int
    etag: str
    """The store's own word for the content, without quotes; empty where it would have to read the content to say it."""

    def holds(self, recorded: "StoredObject") -> bool:
        """Whether this listed object is the recorded one, as far as the store can say without reading it."""
        return self.size == recorded.size and self.etag in ("", recorded.etag)


class Objects(Protocol):
    """Every method raises `TransientError` for what may pass and `StoreError` for what will not."""

    @property
    def url(self) -> str:
        """Where the store is, in a form that means the same on every machine and in every working directory."""

    def put(self, key: str, body: bytes) -> StoredObject:
        """Write `body` whole or not at all, over whatever was there, and return what the store now holds."""

    def get(self, key: str) -> bytes:
        """The bytes under `key`.

        Raises:
            ReferenceNotFoundError: no such key.
        """

    def list(self, prefix: str, *, digest: bool = False) -> Iterator[StoredObject]:
        """Everything below `prefix` (all of the store for ``""``), sorted by key.

        Args:
            prefix: how the keys begin.
            digest: fill in every ETag, reading the content where the store does not keep one.
        """

    def delete(self, key: str) -> None:
        """Remove `key`; not an error where it does not exist."""

    def filesystem(self) -> tuple[FileSystem, str]:
        """Arrow's own way to the same bytes, for reading parts of them, and the path in it that the keys are below."""

    def check_writable(self) -> None:
        """Write something and remove it.

        Raises:
            StoreError: the store cannot be written, in one line that says why.
        """


def open_objects(settings: StoreSettings) -> Objects:
    """The store that the settings name. Nothing is read or written yet.

    Raises:
        StoreError: the URL is neither a folder nor ``s3://bucket/prefix``, or the endpoint is no URL.
    """
    # boto3 takes 0.3 s to import, which a store in a folder need not pay.
    if settings.url.startswith("s3://"):
        from gated_ray.store.bucket import BucketObjects

        if not _BUCKET.fullmatch(settings.url.removeprefix("s3://").partition("/")[0]):
            raise StoreError(f"store.url={settings.url!r}: name a bucket, as in s3://bucket/prefix")
        if settings.endpoint_url is not None and not _ENDPOINT.fullmatch(settings.endpoint_url):
            raise StoreError(
                f"store.endpoint_url={settings.endpoint_url!r}: must be http://host:port or https://host:port"
            )
        return BucketObjects(settings.url, settings.endpoint_url)
    from gated_ray.store.folder import FolderObjects

    if "://" in settings.url:
        raise StoreError(f"store.url={settings.url!r}: use a folder or s3://bucket/prefix")
    return FolderObjects(settings.url)


def concurrently(function: Callable[[Item], Answer], items: Iterable[Item]) -> list[Answer]:
    """``[function(item) for item in items]`` with up to `THREADS` under way; the first error cancels the rest.

    An error, or a signal, does not wait for requests that are under way.
    """
    pool = ThreadPoolExecutor(THREADS)
    try:
        return list(pool.map(function, items))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
