"""What the store recorded of the bytes behind a published model: where they were read, and the digest of every range."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice, zip_longest
from typing import Any

import xxhash

from gated_ray.errors import ReferenceNotFoundError
from gated_ray.store.keys import UnitKey
from gated_ray.store.objects import Objects
from gated_ray.store.parquet import from_parquet
from gated_ray.store.publication import Publication
from gated_ray.store.records import sha256
from gated_ray.store.schemas import MODELS
from gated_ray.store.units import read_manifests


@dataclass(frozen=True, order=True)
class RecordedRange:
    """One tensor, or a run of its first dimension, as it was read."""

    layer: int
    component: str
    tensor: str
    """Its name, with the run."""
    digest: str
    """xxh3-64 of its stored bytes."""


def recorded_ranges(objects: Objects, publication: Publication) -> list[RecordedRange]:
    """Every range behind a publication, sorted, from the manifests of its units.

    What several units read is there once, with the first of them; twice only where they read it differently. Units whose
    manifest cannot be read are passed over.

    Raises:
        StoreError, TransientError: the store could not be read.
    """
    manifests = read_manifests(objects, publication.partition)
    ranges: dict[tuple[str, str], RecordedRange] = {}
    for unit_id in sorted(publication.units):
        unit, manifest = UnitKey.parse(unit_id), manifests.get(unit_id)
        if unit is None or manifest is None:
            continue
        for tensor, digest in manifest.digests.items():
            ranges.setdefault((tensor, digest), RecordedRange(unit.layer, unit.component, tensor, digest))
    return sorted(ranges.values())


def sample_of(ranges: Iterable[RecordedRange], count: int | None, seed: int) -> list[RecordedRange]:
    """As many of the ranges as asked for, None for all: one of every layer in turn, until there are enough.

    Which layers come first, and which range of a layer, follows from the names and the seed alone.
    """

    def rank(name: str) -> int:
        return xxhash.xxh3_64_intdigest(f"{seed} {name}".encode())

    by_layer: defaultdict[int, list[RecordedRange]] = defaultdict(list)
    for each in sorted(ranges, key=lambda each: (rank(each.tensor), each)):
        by_layer[each.layer].append(each)
    turns = zip_longest(*(by_layer[layer] for layer in sorted(by_layer, key=lambda layer: rank(str(layer)))))
    return list(islice((each for turn in turns for each in turn if each is not None), count))


def published_model(objects: Objects, publication: Publication) -> Mapping[str, Any] | None:
    """The publication's row of the models table; None where the store does not hold it as it was written.

    Raises:
        StoreError, TransientError: the store could not be read.
    """
    keys = publication.keys("models")
    for recorded in publication.tables:
        if recorded.key not in keys:
            continue
        try:
            body = objects.get(recorded.key)
        except ReferenceNotFoundError:
            return None
        if sha256(body) == recorded.sha256:
            row: Mapping[str, Any] = from_parquet(body, MODELS).to_pylist()[0]
            return row
    return None
