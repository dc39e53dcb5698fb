"""A token dataset's name keeps one meaning for each tokenizer: what it is made from is written down before its first shard."""

from collections.abc import Mapping
from typing import Any

from gated_ray.errors import ReferenceNotFoundError, StoreError
from gated_ray.store.objects import Objects
from gated_ray.store.records import decode_json, encode_json, same_identity
from gated_ray.store.token_keys import TokenPartition, identity_key, parse_shard_manifest, record_folder
from gated_ray.vocabulary import counted

_FORMAT = 1
_NAMED = 3
"""Files that a message names at most."""

FILES = "files"
"""Key, in an identity, of the files: for each path its ``size`` and its ``content``."""


def claim_token_dataset(objects: Objects, partition: TokenPartition, identity: Mapping[str, Any]) -> None:
    """Write down what the dataset is made from, or check that it is made from this.

    A claim that no shard followed is no obstacle: what was wrong with the texts may have been mended since.

    Raises:
        StoreError: it is made from something else; the message says what differs.
    """
    theirs = read_token_identity(objects, partition)
    if theirs is None or not (same_identity(theirs, identity) or _has_shards(objects, partition)):
        objects.put(identity_key(partition), encode_json({"format": _FORMAT, "identity": identity}))
        # Read even after writing: another first user may have written since.
        theirs = read_token_identity(objects, partition)
    if theirs is None or not same_identity(theirs, identity):
        raise StoreError(
            f"token dataset {partition.dataset!r} in {objects.url} was made from {identity_difference(theirs or {}, identity)}; "
            "give this one another data.name"
        )


def read_token_identity(objects: Objects, partition: TokenPartition) -> dict[str, Any] | None:
    """What the dataset is made from; None where nothing that can be read says it."""
    try:
        return dict(decode_json(objects.get(identity_key(partition)), _FORMAT)["identity"])
    except (ReferenceNotFoundError, KeyError, TypeError, ValueError):
        return None


def identity_difference(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    """In words, the first thing that matters: other texts, else other settings."""
    files = _file_differences(theirs.get(FILES) or {}, ours.get(FILES) or {})
    if files:
        more = f" and {counted(len(files) - _NAMED, 'more file')}" if len(files) > _NAMED else ""
        return f"other texts: {', '.join(files[:_NAMED])}{more}"
    changed = [key for key in sorted({*theirs, *ours} - {FILES}) if theirs.get(key) != ours.get(key)]
    return "other settings: " + ", ".join(f"{key} was {theirs.get(key)!r}, now {ours.get(key)!r}" for key in changed)


def _file_differences(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> list[str]:
    words = []
    for path in sorted({*theirs, *ours}):
        was, now = theirs.get(path), ours.get(path)
        if was is None or now is None:
            words.append(f"{path} {'was not there' if was is None else 'is no longer there'}")
        elif was["size"] != now["size"]:
            words.append(f"{path} had {was['size']:,} bytes, now {now['size']:,}")
        elif was != now:
            words.append(f"{path} had another content")
    return words


def _has_shards(objects: Objects, partition: TokenPartition) -> bool:
    keys = (each.key for each in objects.list(record_folder(partition)))
    return any(parse_shard_manifest(partition, key) is not None for key in keys)
