"""What a user writes to name a checkpoint."""

import re
from dataclasses import dataclass
from pathlib import Path
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
        revision: branch, tag, commit or ``refs/pr/N`` on the Hub; the subfolder for ``folder@revision``; else None.
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
    if text.startswith("s3://"):
        bucket, prefix = split_s3_url(text)
        if not bucket:
            raise InputError(f"{text!r}: names no bucket; write s3://bucket/prefix")
        return Reference(text, "s3", f"s3://{bucket}/{prefix}".rstrip("/"), None, (prefix or bucket).rsplit("/", 1)[-1])
    path = Path(text).expanduser()
    base, at, revision = text.rpartition("@")
    if at and not path.is_dir() and (parent := Path(base).expanduser()).is_dir():
        return Reference(text, "folder", str((parent / revision).resolve()), revision, parent.resolve().name)
    if path.is_dir() or text.startswith(("/", ".", "~")):
        return Reference(text, "folder", str(path.resolve()), None, path.resolve().name)
    repo, revision = (base, revision) if at else (text, "")
    if not _HUB_ID.fullmatch(repo) or "--" in repo or ".." in repo or (at and not revision):
        raise InputError(
            f"{text!r}: neither an existing folder, nor s3://bucket/prefix, nor org/name[@revision] on the Hugging Face Hub"
        )
    return Reference(text, "hub", repo, revision or None, repo)
