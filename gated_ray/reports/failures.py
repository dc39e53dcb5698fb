"""What goes wrong while reports read the store and write files, as the error that says who can act."""

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from gated_ray.errors import InputError, StoreError


@contextmanager
def reading(url: str, what: str) -> Iterator[None]:
    """A dataset reads when it is asked for rows, so that the store cannot say itself what failed.

    Raises:
        StoreError: in place of what pyarrow raised.
    """
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"{url}: cannot read {what}: {error}") from error


@contextmanager
def writing(out: str) -> Iterator[None]:
    """Raises InputError in place of what the file system raised."""
    try:
        yield
    except OSError as error:
        raise InputError(f"out={out}: cannot write {error.filename}: {error.strerror}") from error
