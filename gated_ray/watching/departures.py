"""What became of the models that were listed at the last pass and are not listed now."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from gated_ray.errors import GatedRayError
from gated_ray.sources.hub_listing import Whereabouts, whereabouts
from gated_ray.store.objects import Objects, concurrently
from gated_ray.watching.notes import RENAMED, Notes, Subject
from gated_ray.watching.standing import aliases, published


@dataclass(frozen=True)
class Renamed:
    """A model that has another name now.

    Attributes:
        old, new: names.
        commit: its current one.
        kept_as: the name that the store keeps this commit under; None where it has to be measured under the new name.
    """

    old: str
    new: str
    commit: str
    kept_as: str | None = None


@dataclass(frozen=True)
class Departures:
    """Names that are no longer listed, by what became of them.

    Attributes:
        renamed: with their new names.
        deleted: or made private. What the store holds of them stays.
        no_longer_listed: still there, but other than the filters ask for.
        unanswered: that could not be asked for, with the reason; the next pass asks again.
    """

    renamed: tuple[Renamed, ...] = ()
    deleted: tuple[str, ...] = ()
    no_longer_listed: tuple[str, ...] = ()
    unanswered: Mapping[str, str] = field(default_factory=dict)


def departures(names: Iterable[str]) -> Departures:
    """Ask the Hub for each of the names, once, many at a time."""
    renamed: list[Renamed] = []
    deleted: list[str] = []
    no_longer_listed: list[str] = []
    unanswered: dict[str, str] = {}
    wanted = sorted(names)
    for name, found in zip(wanted, concurrently(_ask, wanted), strict=True):
        if isinstance(found, GatedRayError):
            unanswered[name] = str(found)
        elif found.name is None:
            deleted.append(name)
        elif found.name == name or found.commit is None:
            no_longer_listed.append(name)
        else:
            renamed.append(Renamed(name, found.name, found.commit))
    return Departures(tuple(renamed), tuple(deleted), tuple(no_longer_listed), unanswered)


def keep_renamed(renamed: Sequence[Renamed], notes: Notes, objects: Objects, profile: str) -> tuple[Renamed, ...]:
    """The same, each with the name that the store keeps its commit under, which is noted: it need not be measured again."""
    before = [Subject(each.old, each.commit) for each in renamed]
    kept_as = aliases(notes, before)  # not every rename is the first
    before = [kept_as.get(subject, subject) for subject in before]
    there = published(objects, before, profile)
    found = []
    for each, subject in zip(renamed, before, strict=True):
        if subject in there:
            notes.add(Subject(each.new, each.commit), RENAMED, subject.model)
        found.append(replace(each, kept_as=subject.model if subject in there else None))
    return tuple(found)


def _ask(name: str) -> Whereabouts | GatedRayError:
    try:
        return whereabouts(name)
    except GatedRayError as error:
        return error
