"""The summary as people read it: counts first, then what is new or wrong, line by line."""

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from gated_ray.cluster.events import emit
from gated_ray.vocabulary import counted
from gated_ray.watching.summary import Entry, Summary

_NAMES = 3
"""Models named for one reason; the summary in the store names all."""
_LINES = 50
"""Models told one by one; more are told by reason."""
_REASONS = 20
"""Reasons for refusals; the commonest come first."""
_GB = 1e9
_SETTINGS = {
    "allow": "not in watch.allow",
    "deny": "in watch.deny",
    "gated": "gated (watch.gated=false)",
    "max_bytes": "larger than watch.max_bytes",
}


def print_summary(summary: Summary, log: str) -> None:
    """Print it to stdout: lines, or with ``json`` one event ``watched`` that holds what is kept in the store too."""
    if log == "json":
        emit("watched", **summary.document())
        return
    for line in lines_of(summary):
        print(line)
    sys.stdout.flush()


def lines_of(summary: Summary) -> Iterator[str]:
    """The lines, without line breaks."""
    yield _headline(summary)
    taken_up = [*summary.appeared, *summary.again]
    if summary.dry_run:
        yield from _told("would sweep", taken_up)
    else:
        yield from _told("appeared", summary.appeared)
        yield from _told("again", summary.again)
    yield from _told("swept", summary.swept)
    yield from _told("not reached", summary.left if summary.stopped else ())
    yield from _each("FAILED", summary.failed)
    yield from _each("given up", summary.given_up)
    yield from _grouped("refused", summary.refused)
    yield from _grouped("refused before", summary.refused_before)
    for setting, names in summary.left_out.items():
        yield f"left out: {len(names):,} {_SETTINGS[setting]} ({_some(names)})"
    gone = summary.departures
    for each in gone.renamed:
        kept = f"; commit {each.commit[:12]} stays in the store as {each.kept_as}" if each.kept_as else ""
        yield f"renamed: {each.old} is {each.new} now{kept}"
    for name in gone.deleted:
        yield f"deleted: {name} is no longer on the Hub, or private; what the store holds of it stays"
    if gone.no_longer_listed:
        yield f"no longer listed: {_some(gone.no_longer_listed)}; still on the Hub, but other than the filters ask for"
    for name, reason in gone.unanswered.items():
        yield f"unknown: {name} is no longer listed, and why is asked at the next pass: {reason}"


def _headline(summary: Summary) -> str:
    counts = {
        "new": len(summary.appeared),
        "again": len(summary.again),
        "swept": len(summary.swept),
        "failed": len(summary.failed),
        "refused": len(summary.refused) + len(summary.refused_before),
        "given up": len(summary.given_up),
        "unchanged": summary.unchanged,
        "left out": sum(map(len, summary.left_out.values())),
    }
    told = ", ".join(f"{count:,} {what}" for what, count in counts.items())
    end = "stopped after" if summary.stopped else "dry run," if summary.dry_run else "in"
    models = counted(len(summary.listed), "model")
    nothing = "" if summary.listed or summary.left_out else " (nothing on the Hub passes these filters)"
    return f"Watch {summary.watch}, profile {summary.profile}: {models} listed{nothing}: {told}; {end} {summary.seconds:.1f} s"


def _told(what: str, entries: Sequence[Entry]) -> Iterator[str]:
    return _each(what, entries) if len(entries) <= _LINES else _grouped(what, entries)


def _each(what: str, entries: Iterable[Entry]) -> Iterator[str]:
    for entry in entries:
        yield f"{what}: {entry.model} @ {entry.commit[:12]}" + (f": {entry.reason}" if entry.reason else "")


def _grouped(what: str, entries: Sequence[Entry]) -> Iterator[str]:
    """By reason, the commonest first."""
    names: defaultdict[str, list[str]] = defaultdict(list)
    for entry in entries:
        names[entry.reason].append(entry.model)
    groups = sorted(names.items(), key=lambda group: (-len(group[1]), group[0]))
    for reason, models in groups[:_REASONS]:
        yield f"{what}: {_some(models)}" + (f": {reason}" if reason else "")
    if rest := groups[_REASONS:]:
        yield f"{what}: {counted(sum(len(models) for _, models in rest), 'model')} for {len(rest):,} other reasons"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES:,} more" if len(names) > _NAMES else ""
    return ", ".join(names[:_NAMES]) + more
