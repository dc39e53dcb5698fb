"""What manifests are made of: canonical JSON, and stored objects with a digest of their content."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gated_ray.store.objects import Objects, StoredObject

FORMAT = 3
"""Raised with every change of keys, schemas or manifests, so that units in an older form are done again; then raise that
of publications too."""


@dataclass(frozen=True)
class RecordedObject(StoredObject):
    """A stored object as a manifest records it."""

    sha256: str

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "RecordedObject":
        return cls(str(document["key"]), int(document["size"]), str(document["etag"]), str(document["sha256"]))


def record(objects: Objects, key: str, body: bytes) -> RecordedObject:
    """PUT `body` and say what the store now holds."""
    stored = objects.put(key, body)
    return RecordedObject(stored.key, stored.size, stored.etag, sha256(body))


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def encode_json(document: Mapping[str, Any]) -> bytes:
    """Equal documents give equal bytes.

    Raises:
        TypeError, ValueError: something in it has no canonical JSON form.
    """
    return json.dumps(document, sort_keys=True, indent=1, allow_nan=False).encode() + b"\n"


def decode_json(body: bytes, form: int | None = None) -> dict[str, Any]:
    """The document that `encode_json` encoded.

    Args:
        body: its bytes.
        form: the format that it must be of; `FORMAT` by default.

    Raises:
        ValueError: not JSON, or not an object of this format.
    """
    document = json.loads(body)
    if not isinstance(document, dict) or document.get("format") != (FORMAT if form is None else form):
        raise ValueError("not a document of this format")
    return document


BLOCKS = "blocks"
"""Key, in the identity of a unit or publication, of the digest of the model's blocks as they were understood."""


STATISTICS = "statistics"
"""Key, in the identity of activation statistics, of what shaped them besides the profile and the blocks."""


def settings_of(identity: Mapping[str, Any]) -> dict[str, Any]:
    """The part of an identity that is the profile's."""
    return {name: value for name, value in identity.items() if name not in (BLOCKS, STATISTICS)}


def same_identity(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return encode_json(one) == encode_json(other)
