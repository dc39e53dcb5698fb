"""Where each listed commit stands: done, refused, given up, too large, or to be swept."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from gated_ray.settings import WatchListSettings
from gated_ray.store.keys import Partition
from gated_ray.store.objects import Objects, concurrently
from gated_ray.store.publication import whole_publication
from gated_ray.watching.notes import RENAMED, Notes, Subject, failed, refused, swept

State = Literal["done", "refused", "given up", "too large", "new", "again"]


@dataclass(frozen=True)
class Standing:
    """What is known of one commit before anything is done about it.

    Attributes:
        subject: under the name that the store keeps the model under.
        state: ``new`` and ``again`` are to be swept: the latter is one that the watch has met before.
        why: of those that are to be swept, in words.
        note: that the state rests on; empty where it rests on none.
    """

    subject: Subject
    state: State
    why: str = ""
    note: str = ""

    @property
    def is_to_sweep(self) -> bool:
        return self.state in ("new", "again")


def standings(
    subjects: Iterable[Subject], notes: Notes, rules: str, watch: WatchListSettings, published: frozenset[Subject]
) -> list[Standing]:
    """Where each commit stands, in the order given.

    Args:
        subjects: commits that are listed.
        notes: of the watch.
        rules: digest of how models are understood now; notes made under others do not count.
        watch: for its limits.
        published: of these commits.
    """
    return [_standing(subject, notes, rules, watch, subject in published) for subject in subjects]


def _standing(subject: Subject, notes: Notes, rules: str, watch: WatchListSettings, is_published: bool) -> Standing:
    held = notes.of(subject)
    if is_published and swept(rules) in held:
        return Standing(subject, "done")
    if refused(rules) in held:
        return Standing(subject, "refused", note=refused(rules))
    size = notes.bytes(subject)
    if watch.max_bytes is not None and size is not None and size > watch.max_bytes:
        return Standing(subject, "too large")
    failures = notes.failures(subject, rules)
    if failures >= watch.attempts:
        return Standing(subject, "given up", note=failed(failures, rules))
    if failures:
        return Standing(subject, "again", f"failed before, attempt {failures + 1} of {watch.attempts}")
    if swept(rules) in held:
        return Standing(subject, "again", "no longer in the store")
    if size is not None:
        return Standing(subject, "again", "within the size limit now")
    if held:
        return Standing(subject, "again", "last looked at by other rules or another version")
    return Standing(subject, "new", "new commit" if notes.knows(subject.model) else "new model")


def published(objects: Objects, subjects: Iterable[Subject], profile: str) -> frozenset[Subject]:
    """Which of these commits the store has published under the profile, its tables whole: four requests each, many at a time.

    A listing of all manifests would do too, but there are dozens of those a model.
    """
    wanted = list(subjects)

    def is_published(subject: Subject) -> bool:
        return whole_publication(objects, Partition(subject.model, subject.commit, profile)) is not None

    found = concurrently(is_published, wanted)
    return frozenset(subject for subject, yes in zip(wanted, found, strict=True) if yes)


def aliases(notes: Notes, subjects: Iterable[Subject]) -> dict[Subject, Subject]:
    """The commits that the store keeps under an earlier name of the model, by what they are called now."""
    wanted = {subject: RENAMED for subject in subjects if RENAMED in notes.of(subject)}
    return {subject: Subject(name, subject.commit) for subject, name in notes.reasons(wanted).items() if name}
