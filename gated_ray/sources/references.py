"""What a user writes to name a checkpoint."""

import os
import re
from dataclasses import dataclass
from typing import Literal

from gated_ray.errors import InputError
from gated_ray.s3 import split_s3_url

Kind = Literal["hub", "folder", "s3"]

_HUB_ID = re.compile(r"(?:[A-Za-z0-9][\w.-]*/)?[A-Za-z0-9_][\w.-]*", re.ASCII)


@dataclass(frozen=True)
class Reference:
    """One parsed reference.

    Attributes:
        text: as the user wrote it.
        kind: where it points.
        location: repository id, absolute folder, or ``s3://bucket/prefix``.
        revision: branch, tag, commit or ``refs/pr/N`` on the Hub; the subfolder for ``folder@subfolder``; else None.
        name: the model's name in the dataset: the repository id, or the last component of the folder or prefix.
    """

    text: str
    kind: Kind
    location: str
    revision: str | None
    name: str


def parse_reference(text: str) -> Reference:
    """Parse ``org/name[@revision]``, a folder, ``folder@subfolder``, or ``s3://bucket/prefix``.

    ``folder@subfolder`` keeps several checkpoints of one training run together as revisions of one model. What exists as
    a folder is taken as one, as transformers does; nothing else is looked up here.

    Raises:
        InputError: the text is none of these.
    """
    text = text.strip()
    reference = None
    if text.isprintable():  # a null byte or a line break is in no name
        reference = _bucket(text) if text.startswith("s3://") else _folder(text) or _repository(text)
    if reference is None or not reference.name:
        raise InputError(
            f"{text!r}: neither an existing folder, nor s3://bucket/prefix, nor org/name[@revision] on the Hugging Face Hub"
        )
    return reference


def _bucket(text: str) -> Reference | None:
    bucket, prefix = split_s3_url(text)
    if not bucket:
        return None
    return Reference(text, "s3", f"s3://{bucket}/{prefix}".rstrip("/"), None, (prefix or bucket).rsplit("/", 1)[-1])


def _folder(text: str) -> Reference | None:
    folder = os.path.expanduser(text)
    base, _, subfolder = folder.rpartition("@")
    if subfolder and not os.path.isdir(folder) and os.path.isdir(base):
        parent = os.path.realpath(base)
        return Reference(
            text, "folder", os.path.realpath(os.path.join(parent, subfolder)), subfolder, os.path.basename(parent)
        )
    if os.path.isdir(folder) or text.startswith(("/", ".", "~")):
        location = os.path.realpath(folder)
        return Reference(text, "folder", location, None, os.path.basename(location))
    return None


def _repository(text: str) -> Reference | None:
    repo, at, revision = text.partition("@")
    if not _HUB_ID.fullmatch(repo) or "--" in repo or ".." in repo or (at and not revision):
        return None
    return Reference(text, "hub", repo, revision or None, repo)
