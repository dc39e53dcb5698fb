"""What came of the commits that a pass took up, and the notes that say so."""

from collections.abc import Collection
from dataclasses import dataclass, field

from gated_ray.cluster.failures import Failure
from gated_ray.cluster.result import SweepResult
from gated_ray.errors import StoreError
from gated_ray.settings import WatchListSettings
from gated_ray.watching.notes import Notes, Subject, failed, large, refused, swept
from gated_ray.watching.summary import Entry

_OUTAGE = 3
"""So many models, all of a pass, that fail by what may pass: it is the Hub or the nodes, and says nothing of the models."""


@dataclass
class Outcomes:
    """What a pass has to tell of each commit, and notes as it learns it.

    Attributes:
        notes: where it notes it.
        rules: digest of how models are understood now.
        watch: for its limits.
        swept, failed, refused: commits, with what is to be said of them.
        too_large: names.
    """

    notes: Notes
    rules: str
    watch: WatchListSettings
    swept: list[Entry] = field(default_factory=list)
    failed: list[Entry] = field(default_factory=list)
    refused: list[Entry] = field(default_factory=list)
    too_large: list[str] = field(default_factory=list)

    @property
    def entries(self) -> list[Entry]:
        """All that a sweep tried."""
        return [*self.swept, *self.failed, *self.refused]

    def succeed(self, subject: Subject, reason: str = "") -> None:
        """The store holds it."""
        self.notes.add(subject, swept(self.rules), reason)
        self.swept.append(Entry.of(subject, reason))

    def refuse(self, subject: Subject, failure: Failure) -> None:
        """It cannot be read, and stays so."""
        reason = reason_of(failure, subject)
        self.notes.add(subject, refused(self.rules), reason)
        self.refused.append(Entry.of(subject, reason))

    def fail(self, subject: Subject, failure: Failure, counts: bool = True) -> None:
        """It was not swept, and may be at a later pass; `counts`: whether this brings it nearer to being given up."""
        if not counts:
            self.failed.append(
                Entry.of(subject, f"{reason_of(failure, subject)} (not counted: nothing else worked either)")
            )
            return
        times = self.notes.failures(subject, self.rules) + 1
        reason = reason_of(failure, subject)
        self.notes.add(subject, failed(times, self.rules), reason)
        what_next = "given up" if times >= self.watch.attempts else "to be tried again"
        self.failed.append(Entry.of(subject, f"{reason} (attempt {times} of {self.watch.attempts}, {what_next})"))

    def not_planned(self, subject: Subject, failure: Failure, counts: bool = True) -> None:
        """It could not be planned: refused, if what is wrong is the model.

        Raises:
            StoreError: it is the store that failed, which says nothing of the model.
        """
        if failure.kind == "store":
            raise StoreError(failure.message)
        if failure.kind == "model":
            self.refuse(subject, failure)
        else:
            self.fail(subject, failure, counts)

    def leave_out(self, subject: Subject, size: int) -> None:
        """It has so many bytes of weights, which is over the limit: noted, so that the Hub is not asked again."""
        self.notes.add(subject, large(size), f"{size} bytes of weights")
        self.too_large.append(subject.model)

    def take_in(self, subjects: Collection[Subject], result: SweepResult) -> None:
        """What a sweep that went to its end says of these, which it was asked for.

        A model that was understood and then could not be read is not refused: a mirror or a proxy may be what is wrong.

        Raises:
            StoreError: the store failed, which says nothing of the models; nothing is noted then.
        """
        kinds = [failure.kind for failure in result.failures]
        outage = len(kinds) == len(subjects) >= _OUTAGE and set(kinds) == {"transient"}
        planned = {model.reference: model for model in result.models}
        failures = {failure.reference: failure for failure in result.failures}
        for subject in subjects:
            model, failure = planned.get(str(subject)), failures.get(str(subject))
            if failure is None:
                self.succeed(subject, "was in the store already" if model is not None and model.is_published else "")
            elif model is None or failure.kind == "store":
                self.not_planned(subject, failure, not outage)
            else:
                self.fail(subject, failure, not outage)


def reason_of(failure: Failure, subject: Subject) -> str:
    """The message without the model's name in front, so that equal reasons of several models can be told together."""
    reason = failure.message.replace(str(subject), subject.model)
    while reason.startswith(f"{subject.model}: "):
        reason = reason.removeprefix(f"{subject.model}: ")
    return reason
