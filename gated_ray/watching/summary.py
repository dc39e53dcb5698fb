"""What one pass found and did, as it is kept in the store and printed."""

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from gated_ray.errors import ReferenceNotFoundError
from gated_ray.store.objects import Objects
from gated_ray.store.records import decode_json, encode_json
from gated_ray.watching.departures import Departures
from gated_ray.watching.notes import FORMAT, Subject

_LATEST = "latest.json"


@dataclass(frozen=True)
class Entry:
    """One commit and what is to be said of it."""

    model: str
    commit: str
    reason: str = ""

    @classmethod
    def of(cls, subject: Subject, reason: str = "") -> "Entry":
        return cls(subject.model, subject.commit, reason)


@dataclass(frozen=True)
class Summary:
    """One pass of a watch.

    Attributes:
        watch, profile: whose pass it is.
        gated_ray_version, rules: by which models were understood (`gated_ray.watching.rules`).
        filters: everything that decides which models are looked at.
        listed: names to commits of the models looked at, and the names to be asked for again.
        unchanged: models of these that the store holds already.
        appeared: new models and new commits.
        again: models met before that were taken up again, and why.
        swept: what the store holds now and did not at the last pass.
        failed: may succeed at a later pass.
        refused: not understood, in this pass.
        refused_before: in an earlier pass, and not looked at again.
        given_up: failed in too many passes, and not looked at again.
        left: to be swept, but the pass was stopped before.
        left_out: names by the setting that leaves them out.
        departures: what became of names that are no longer listed.
        started: UTC, ISO 8601.
        seconds: that it took.
        stopped: whether a signal ended the pass early.
        dry_run: whether nothing was to be swept and written.
    """

    watch: str
    profile: str
    gated_ray_version: str
    rules: str
    filters: Mapping[str, Any]
    listed: Mapping[str, str]
    unchanged: int
    appeared: tuple[Entry, ...]
    again: tuple[Entry, ...]
    swept: tuple[Entry, ...]
    failed: tuple[Entry, ...]
    refused: tuple[Entry, ...]
    refused_before: tuple[Entry, ...]
    given_up: tuple[Entry, ...]
    left: tuple[Entry, ...]
    left_out: Mapping[str, tuple[str, ...]]
    departures: Departures = field(default_factory=Departures)
    started: str = ""
    seconds: float = 0.0
    stopped: bool = False
    dry_run: bool = False

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"format": FORMAT, **asdict(self)}


@dataclass(frozen=True)
class Earlier:
    """What a pass needs of the summary before it.

    Attributes:
        filters: that it looked through.
        listed: names to commits.
        reasons: of what was refused or given up, so that its notes need not be read again.
    """

    filters: Mapping[str, Any] = field(default_factory=dict)
    listed: Mapping[str, str] = field(default_factory=dict)
    reasons: Mapping[Subject, str] = field(default_factory=dict)


def write_summary(objects: Objects, folder: str, summary: Summary) -> None:
    """Write the summary under a name of its own, then as the latest.

    Args:
        objects: the store.
        folder: of the watch.
        summary: of a pass.

    Raises:
        StoreError, TransientError: the store cannot be written.
    """
    body = encode_json(summary.document())
    time = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    objects.put(f"{folder}passes/{time}-{secrets.token_hex(4)}.json", body)
    objects.put(f"{folder}{_LATEST}", body)


def read_earlier(objects: Objects, folder: str) -> Earlier:
    """The latest summary; an empty one where there is none, or none that can be read.

    Raises:
        StoreError, TransientError: the store cannot be read.
    """
    try:
        document = decode_json(objects.get(f"{folder}{_LATEST}"), FORMAT)
        told = [*document["refused"], *document["refused_before"], *document["given_up"]]
        return Earlier(
            dict(document["filters"]),
            dict(document["listed"]),
            {Subject(entry["model"], entry["commit"]): str(entry["reason"]) for entry in told},
        )
    except (ReferenceNotFoundError, KeyError, TypeError, ValueError):
        return Earlier()
