"""One pass: list the Hub, compare with the store, sweep what is new or changed, note and tell what came of it."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from gated_ray.cluster.failures import Failure
from gated_ray.cluster.sweep import run_sweep
from gated_ray.errors import InputError, StoppedError
from gated_ray.settings import ModelsSettings, SweepSettings, WatchSettings
from gated_ray.sources.hub import hub_endpoint
from gated_ray.sources.hub_listing import list_models
from gated_ray.store.objects import open_objects
from gated_ray.store.profiles import claim_profile, read_profile
from gated_ray.watching.departures import Departures, departures, keep_renamed
from gated_ray.watching.filters import Selection, hub_filters, recorded_filters, select
from gated_ray.watching.notes import Notes, Subject, refused, watch_folder
from gated_ray.watching.outcomes import Outcomes
from gated_ray.watching.printing import print_summary
from gated_ray.watching.rules import rules_digest
from gated_ray.watching.sizes import weight_bytes
from gated_ray.watching.standing import Standing, aliases, published, standings
from gated_ray.watching.summary import Earlier, Entry, Summary, read_earlier, write_summary


class Watch:
    """Makes passes over the Hub.

    Args:
        settings: of the job.

    Raises:
        InputError: the settings name no models, or no usable Hub or file of rules.
        StoreError: the URL of the store is none.
    """

    def __init__(self, settings: WatchSettings) -> None:
        self._filters = hub_filters(settings.watch)
        self._endpoint = hub_endpoint()
        self._recorded = recorded_filters(settings.watch, self._endpoint)
        self._rules = rules_digest(settings.architectures.extra)
        self._objects = open_objects(settings.store)
        self._settings = replace(settings, store=replace(settings.store, url=self._objects.url))
        self._profile = settings.profile.name
        self._folder = watch_folder(settings.watch.name, self._profile)

    def make_pass(self) -> Summary:
        """List, compare, sweep, note; the summary is printed and, but for a dry run, in the store.

        Raises:
            GatedRayError: the Hub could not be listed, or the store not be used. What the sweep finished is kept.
            StoppedError: by a signal; if it came during the sweep, the summary says how far that went.
        """
        started, clock = datetime.now(UTC), time.monotonic()
        self._rules = rules_digest(self._settings.architectures.extra)  # the user's file may have changed
        if read_profile(self._objects, self._profile):  # a known one is compared, not written
            claim_profile(self._objects, self._settings.profile)
        selection = select(list_models(self._filters), self._settings.watch)
        notes = Notes(self._objects, self._folder)
        earlier = self._earlier()
        listed = {model.name for model in selection.kept}.union(*selection.left_out.values())
        gone = departures(earlier.listed.keys() - listed)
        gone = replace(gone, renamed=keep_renamed(gone.renamed, notes, self._objects, self._profile))
        sizes = _under_kept_names(selection, notes)
        open_ = [subject for subject in sizes if refused(self._rules) not in notes.of(subject)]
        there = published(self._objects, open_, self._profile)
        found = standings(sizes, notes, self._rules, self._settings.watch, there)
        outcomes = Outcomes(notes, self._rules, self._settings.watch)
        to_sweep = self._within_limit(found, sizes, outcomes)
        stopped: StoppedError | None = None
        if not self._settings.dry_run:
            try:
                stopped = self._sweep(to_sweep, there, outcomes)
            except StoppedError as error:
                stopped = error
            notes.write()
        summary = self._summary(selection, earlier, gone, found, to_sweep, outcomes)
        summary = replace(
            summary,
            started=started.isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - clock, 3),
            stopped=stopped is not None,
        )
        if not self._settings.dry_run:
            write_summary(self._objects, self._folder, summary)
        print_summary(summary, self._settings.log)
        if stopped is not None:
            raise stopped
        return summary

    def _earlier(self) -> Earlier:
        """The summary before this one, without its models where other filters were looked through."""
        earlier = read_earlier(self._objects, self._folder)
        return earlier if earlier.filters == self._recorded else replace(earlier, listed={})

    def _within_limit(
        self, found: Sequence[Standing], sizes: Mapping[Subject, int | None], outcomes: Outcomes
    ) -> list[Standing]:
        """What is to be swept, but for models that turn out to be too large: the Hub is asked where its listing does not say."""
        to_sweep = [each for each in found if each.is_to_sweep]
        most = self._settings.watch.max_bytes
        if most is None:
            return to_sweep
        unknown = [each.subject for each in to_sweep if sizes[each.subject] is None]
        dropped = set()
        for subject, size in weight_bytes(unknown, self._endpoint).items():
            if isinstance(size, Failure):
                outcomes.not_planned(subject, size)
                dropped.add(subject)
            elif size > most:
                outcomes.leave_out(subject, size)
                dropped.add(subject)
        return [each for each in to_sweep if each.subject not in dropped]

    def _sweep(
        self, to_sweep: Sequence[Standing], there: frozenset[Subject], outcomes: Outcomes
    ) -> StoppedError | None:
        """Sweep them all at once, so that the largest units of all models go first, and note what came of each."""
        subjects = [each.subject for each in to_sweep]
        if not subjects:
            return None
        if hidden := next((subject.model for subject in subjects if Path(subject.model).is_dir()), None):
            raise InputError(
                f"{hidden}: a folder of that name is here, which would be taken for the model; run elsewhere"
            )
        try:
            result = run_sweep(self._sweep_settings(subjects))
        except StoppedError:
            # Of one that was published before, nobody can say here whether it was looked at again.
            finished = published(self._objects, set(subjects) - there, self._profile)
            for subject in subjects:
                if subject in finished:
                    outcomes.succeed(subject)
            raise
        outcomes.take_in(subjects, result)
        return result.stop

    def _sweep_settings(self, subjects: Sequence[Subject]) -> SweepSettings:
        settings = self._settings
        return SweepSettings(
            models=ModelsSettings(refs=[str(subject) for subject in subjects]),
            architectures=settings.architectures,
            store=settings.store,
            profile=settings.profile,
            cluster=settings.cluster,
            log=settings.log,
            debug=settings.debug,
        )

    def _summary(
        self,
        selection: Selection,
        earlier: Earlier,
        gone: Departures,
        found: Sequence[Standing],
        to_sweep: Sequence[Standing],
        outcomes: Outcomes,
    ) -> Summary:
        reasons = self._reasons(found, earlier, outcomes.notes)
        told = {Subject(entry.model, entry.commit) for entry in outcomes.entries}
        left = [each for each in to_sweep if each.subject not in told]
        too_large = [each.subject.model for each in found if each.state == "too large"] + outcomes.too_large
        left_out = dict(selection.left_out)
        if too_large:
            left_out["max_bytes"] = (*left_out.get("max_bytes", ()), *too_large)
        return Summary(
            watch=self._settings.watch.name,
            profile=self._profile,
            gated_ray_version=version("gated-ray"),
            rules=self._rules,
            filters=self._recorded,
            listed={model.name: model.commit for model in selection.kept}
            | {name: earlier.listed[name] for name in gone.unanswered},
            unchanged=sum(each.state == "done" for each in found),
            appeared=_entries(to_sweep, "new"),
            again=_entries(to_sweep, "again"),
            swept=tuple(outcomes.swept),
            failed=tuple(outcomes.failed),
            refused=tuple(outcomes.refused),
            refused_before=_entries(found, "refused", reasons),
            given_up=_entries(found, "given up", reasons),
            left=tuple(Entry.of(each.subject, each.why) for each in left),
            left_out=left_out,
            departures=gone,
            dry_run=self._settings.dry_run,
        )

    def _reasons(self, found: Sequence[Standing], earlier: Earlier, notes: Notes) -> Mapping[Subject, str]:
        """Why models were refused or given up: from the summary before this one, else from the notes, one GET each."""
        noted = {each.subject: each.note for each in found if each.note}
        known = {subject: reason for subject, reason in earlier.reasons.items() if subject in noted}
        return known | notes.reasons({subject: what for subject, what in noted.items() if subject not in known})


def _entries(found: Sequence[Standing], state: str, reasons: Mapping[Subject, str] | None = None) -> tuple[Entry, ...]:
    """Those of one state, with their reasons, or else with why they are taken up."""
    return tuple(
        Entry.of(each.subject, (reasons or {}).get(each.subject, each.why)) for each in found if each.state == state
    )


def _under_kept_names(selection: Selection, notes: Notes) -> dict[Subject, int | None]:
    """The commits that are looked at, under the names that the store keeps them under, and the bytes that are listed."""
    listed = {Subject(model.name, model.commit): model.bytes for model in selection.kept}
    kept_as = aliases(notes, listed)
    return {kept_as.get(subject, subject): size for subject, size in listed.items()}
