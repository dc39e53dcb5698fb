"""Whether the sources of published models still hold the bytes that were measured: a sample read again and compared."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tqdm.auto import tqdm

from gated_ray.errors import CheckpointError, GatedRayError
from gated_ray.measurement import tensor_digest
from gated_ray.settings import VerifySettings
from gated_ray.sources.checkpoint import open_origin, read_headers, read_tensors
from gated_ray.sources.headers import TensorRecord
from gated_ray.sources.origin import Location, Origin
from gated_ray.sources.shards import weight_files
from gated_ray.sources.slices import TensorSlice
from gated_ray.store.digests import RecordedRange, published_model, recorded_ranges, sample_of
from gated_ray.store.objects import Objects
from gated_ray.store.publication import Publication
from gated_ray.vocabulary import counted

_BYTES_AT_ONCE = 256 << 20
_PROGRESS_AFTER_SECONDS = 2
_RUN = re.compile(r"(?P<tensor>.+)\[(?P<first>\d{1,18}):(?P<end>\d{1,18})\]", re.DOTALL)


@dataclass(frozen=True)
class SourceProblem:
    """A source that cannot be had, or one range of it that is not what was measured."""

    partition: str
    """Path of the model's partition."""
    what: str

    def __str__(self) -> str:
        return f"{self.partition}: {self.what}"


@dataclass(frozen=True)
class SourceVerification:
    """What was read again and what was found."""

    asked: int
    """Published models."""
    models: int
    """Those whose sources were read, to the end of the sample."""
    ranges: int
    """Tensor ranges compared."""
    bytes: int
    """Of these ranges."""
    problems: tuple[SourceProblem, ...]

    def __str__(self) -> str:
        problems = counted(len(self.problems), "problem") if self.problems else "no problems"
        return (
            f"sources of {self.models} of {counted(self.asked, 'published model')}, "
            f"{counted(self.ranges, 'tensor range')}, {self.bytes / 1e9:.3f} GB read again: {problems}"
        )


def verify_sources(
    objects: Objects, publications: Sequence[Publication], settings: VerifySettings
) -> SourceVerification:
    """Read a sample of what each publication was measured from again, and compare it with the digests in the store.

    Sources are opened at the recorded revision: a repository at the Hub of the environment, a folder, or a bucket's prefix at
    ``settings.models.endpoint_url``. What cannot be had there is a problem and does not stop the others.

    Raises:
        StoreError, TransientError: the store could not be read.
    """
    problems: list[SourceProblem] = []
    models = ranges = read = 0
    for publication in publications:
        path = publication.partition.path
        row, recorded = published_model(objects, publication), recorded_ranges(objects, publication)
        if row is None or not recorded:
            lost = "row of the models table" if row is None else "digests"
            problems.append(SourceProblem(path, f"its source is not compared: the store has lost its {lost}"))
            continue
        chosen = sample_of(recorded, settings.sample, settings.seed)
        location = location_of(row, settings.models.endpoint_url)
        try:
            for checked in _checked(location, chosen, publication.partition.model):
                ranges += 1
                read += checked.bytes
                if checked.problem is not None:
                    problems.append(SourceProblem(path, checked.problem))
        except GatedRayError as error:
            problems.append(SourceProblem(path, f"its source cannot be read: {error}"))
        else:
            models += 1
    return SourceVerification(len(publications), models, ranges, read, tuple(problems))


def location_of(row: Mapping[str, Any], s3_endpoint: str | None) -> Location:
    """Where a row of the models table says that the weights are.

    Args:
        row: schema `MODELS`.
        s3_endpoint: of buckets; the row does not say it.
    """
    if row["source"] == "hub":
        return Location("hub", row["location"], row["model_revision"])
    if row["source"] == "s3":
        return Location("s3", row["location"], endpoint=s3_endpoint)
    return Location("folder", row["location"])


@dataclass(frozen=True)
class _Checked:
    """One range, read again."""

    bytes: int
    problem: str | None


def _checked(location: Location, ranges: Sequence[RecordedRange], name: str) -> Iterator[_Checked]:
    """Every range compared, those that lie side by side read together.

    Raises:
        GatedRayError: the source cannot be had.
    """
    origin = open_origin(location, cached=False)  # what lies in the cache is not the source
    records = _records(origin, location.address)
    found = {}
    for each in ranges:
        try:
            found[each] = named_slice(each.tensor, records)
        except CheckpointError as error:
            yield _Checked(0, f"{_place(each)}: {error}")
    bar = tqdm(
        total=sum(part.bytes for part in found.values()),
        unit="B",
        unit_scale=True,
        desc=name,
        delay=_PROGRESS_AFTER_SECONDS,
        disable=None,  # only in a terminal or a notebook
    )
    with bar:
        for batch in _batches(found):
            tensors = read_tensors(origin, list(dict.fromkeys(batch.values())))
            for each, part in batch.items():
                digest = tensor_digest(tensors[part])
                differs = f"{_place(each)}: recorded digest {each.digest}, the source now has {digest}"
                yield _Checked(part.bytes, differs if digest != each.digest else None)
                bar.update(part.bytes)


def _place(each: RecordedRange) -> str:
    return f"layer {each.layer} {each.component}: {each.tensor}"


def _records(origin: Origin, what: str) -> dict[str, TensorRecord]:
    shards, _ = weight_files(origin, origin.files(), what)
    return {name: record for header in read_headers(origin, shards, what) for name, record in header.items()}


def named_slice(name: str, records: Mapping[str, TensorRecord]) -> TensorSlice:
    """The range that `TensorSlice.name` names, among these tensors.

    Raises:
        CheckpointError: they do not have it.
    """
    if name in records:
        return TensorSlice(records[name])
    run = _RUN.fullmatch(name)
    if run is None or run["tensor"] not in records:
        raise CheckpointError("the source no longer has this tensor")
    record, first = records[run["tensor"]], int(run["first"])
    try:
        return TensorSlice(record, first, int(run["end"]) - first)
    except ValueError as error:
        raise CheckpointError(f"the source no longer has these entries: its shape is {record.shape}") from error


def _batches(found: Mapping[RecordedRange, TensorSlice]) -> Iterator[dict[RecordedRange, TensorSlice]]:
    """Ranges in the order of their files, so many together as fit into memory well."""
    batch: dict[RecordedRange, TensorSlice] = {}
    held = 0
    for each, part in sorted(found.items(), key=lambda item: (item[1].record.file.path, item[1].begin)):
        if batch and held + part.bytes > _BYTES_AT_ONCE:
            yield batch
            batch, held = {}, 0
        batch[each] = part
        held += part.bytes
    if batch:
        yield batch
