"""What a watch remembers of each commit, as objects whose keys say it, so that one listing reads it all.

Two watchers who find the same write the same keys. All notes of one watch and profile lie in one folder, because servers agree
on how to page through that, and a thousand keys are one request.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version

from gated_ray.errors import ReferenceNotFoundError
from gated_ray.store.keys import decode_name, encode_name
from gated_ray.store.objects import Objects, concurrently
from gated_ray.store.records import decode_json, encode_json

FORMAT = 1
"""Of notes and summaries."""

RENAMED = "renamed"
"""What the name was before, which the store keeps the model under, is the note's reason."""

_KEY = re.compile(r"(?P<model>[\w.-]+)=(?P<commit>[\w.-]+)=(?P<what>[\w.-]+)\.json", re.ASCII)
_FAILED = re.compile(r"failed-(\d+)-([0-9a-f]+)")
_LARGE = re.compile(r"large-(\d+)")


@dataclass(frozen=True, order=True)
class Subject:
    """One commit of one model."""

    model: str
    commit: str

    def __str__(self) -> str:
        return f"{self.model}@{self.commit}"


def watch_folder(watch: str, profile: str) -> str:
    """Where everything lies that a watch keeps."""
    return f"_watch/{watch}/profile={profile}/"


def swept(rules: str) -> str:
    return f"swept-{rules}"


def refused(rules: str) -> str:
    return f"refused-{rules}"


def failed(times: int, rules: str) -> str:
    return f"failed-{times}-{rules}"


def large(count: int) -> str:
    return f"large-{count}"


class Notes:
    """The notes of one watch and profile, as they were when listed, and those made since."""

    def __init__(self, objects: Objects, folder: str) -> None:
        """List what is there.

        Args:
            objects: the store.
            folder: of the watch and profile.

        Raises:
            StoreError, TransientError: the store cannot be read.
        """
        self._objects = objects
        self._folder = f"{folder}notes/"
        self._held: defaultdict[Subject, set[str]] = defaultdict(set)
        self._unwritten: dict[tuple[Subject, str], str] = {}
        for stored in objects.list(self._folder):
            match = _KEY.fullmatch(stored.key.removeprefix(self._folder))
            if match is None:
                continue
            try:
                subject = Subject(decode_name(match["model"]), match["commit"])
            except ValueError:
                continue
            self._held[subject].add(match["what"])
        self._models = {subject.model for subject in self._held}

    def of(self, subject: Subject) -> frozenset[str]:
        """What is noted on a commit."""
        return frozenset(self._held.get(subject, ()))

    def knows(self, model: str) -> bool:
        """Whether anything was noted on any commit of the model when the notes were listed."""
        return model in self._models

    def failures(self, subject: Subject, rules: str) -> int:
        """In how many passes it failed under these rules."""
        found = (_FAILED.fullmatch(what) for what in self.of(subject))
        return max((int(match[1]) for match in found if match and match[2] == rules), default=0)

    def bytes(self, subject: Subject) -> int | None:
        """The size of the weights, where it was too large once."""
        found = (_LARGE.fullmatch(what) for what in self.of(subject))
        return max((int(match[1]) for match in found if match), default=None)

    def add(self, subject: Subject, what: str, reason: str) -> None:
        """Note something; `write` makes it last."""
        self._held[subject].add(what)
        self._unwritten[subject, what] = reason

    def write(self) -> None:
        """Write what was added.

        Raises:
            StoreError, TransientError: the store cannot be written.
        """
        facts = {"format": FORMAT, "time": datetime.now(UTC).isoformat(), "gated_ray_version": version("gated-ray")}

        def put(note: tuple[tuple[Subject, str], str]) -> None:
            (subject, what), reason = note
            self._objects.put(self._key(subject, what), encode_json({**facts, "reason": reason}))

        concurrently(put, self._unwritten.items())
        self._unwritten.clear()

    def reasons(self, wanted: Mapping[Subject, str]) -> dict[Subject, str]:
        """The reasons of notes, one GET each; empty for one that is gone or damaged.

        Args:
            wanted: what is noted, by commit.
        """
        read = concurrently(lambda note: self._reason(*note), wanted.items())
        return dict(zip(wanted, read, strict=True))

    def _reason(self, subject: Subject, what: str) -> str:
        if (subject, what) in self._unwritten:
            return self._unwritten[subject, what]
        try:
            return str(decode_json(self._objects.get(self._key(subject, what)), FORMAT).get("reason", ""))
        except (ReferenceNotFoundError, ValueError):
            return ""

    def _key(self, subject: Subject, what: str) -> str:
        return f"{self._folder}{encode_name(subject.model)}={subject.commit}={what}.json"
