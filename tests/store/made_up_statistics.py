"""Made-up activation statistics: two layers over three shards of tokens, committed and published as the workers do."""

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import torch

from gated_ray.activations.partial import part_tables, schema_of
from gated_ray.activations.rankings import Rankings
from gated_ray.activations.segments import COUNTS, LISTS, MOST_POSITIONS
from gated_ray.activations.statistics import NeuronStatistics
from gated_ray.activations.tables import merged_tables
from gated_ray.settings import ProfileSettings
from gated_ray.store.keys import Partition, ShardKey
from gated_ray.store.objects import Objects
from gated_ray.store.profiles import claim_profile
from gated_ray.store.publication import Publication, published
from gated_ray.store.statistics import commit_shard
from gated_ray.store.statistics_publish import publish_statistics
from gated_ray.store.units import CorruptUnitsError, committed_units

PARTITION = Partition("org/model", "0" * 40, "paper", "my texts")
PROFILE = ProfileSettings()
IDENTITY = {**PROFILE.identity(), "blocks": "b", "statistics": {"top": 2, "dtype": "float32"}}
NEURONS, TOP, SHARDS, DOCUMENTS = 5, 2, 3, 4
PARTS = {
    "00000-mlp-00000-00000": ((0, "mlp", None),),
    "00001-expert-00000-00001": ((1, "expert", 0), (1, "expert", 1)),
}
SIGNS = torch.tensor([1, -1, 1, 1, -1], dtype=torch.int8)
ROW = {
    "tokenizer_digest": "0123456789ab",
    "location": "org/model",
    "requested_revision": None,
    "model_type": "llama",
    "license": "mit",
    "blocks": 3,
    "context": 64,
    "dtype": "float32",
    "top": TOP,
    "weights": "paper",
    "text": "texts",
    "text_revision": None,
    "max_length": 16,
    "seed": 0,
    "statistics_version": 1,
    "gated_ray_version": "0",
    "torch_version": "0",
    "transformers_version": "0",
}


def statistics(shard: int, seed: int) -> NeuronStatistics:
    """Of four documents of ten tokens each."""
    generator = torch.Generator().manual_seed(100 * shard + seed)
    counts = torch.randint(0, 10, (len(COUNTS), NEURONS), generator=generator)
    sums = torch.randn(16, NEURONS, generator=generator, dtype=torch.float64)
    rankings = Rankings.empty(NEURONS, TOP, torch.device("cpu"))
    bits = torch.randn(len(LISTS), DOCUMENTS, NEURONS, generator=generator).abs().view(torch.int32).long()
    strongest = (bits << 32) | ((MOST_POSITIONS - 1 - 3) << 1)
    rankings.add(strongest, torch.arange(DOCUMENTS) + DOCUMENTS * shard)
    return NeuronStatistics(torch.full((NEURONS,), 40), counts, sums, rankings)


def tables(shard: int, other: float = 0.0) -> list[tuple[str, pa.Table]]:
    places = [place for part in PARTS.values() for place in part]
    found = {place: statistics(shard, seed) for seed, place in enumerate(places)}
    for each in found.values():
        each.sums += other
    return list(part_tables(PARTS, found, dict.fromkeys(places, SIGNS), TOP))


def commit(objects: Objects, shard: int, other: float = 0.0, identity: Mapping[str, Any] = IDENTITY) -> None:
    commit_shard(
        objects,
        PARTITION,
        ShardKey(shard),
        tables(shard, other),
        identity=identity,
        counts={"documents": DOCUMENTS, "tokens": 40, "cut_documents": shard},
        seconds=1.0,
        versions={"torch": "0"},
    )


def publish(objects: Objects, shards: Iterable[int] = range(SHARDS)) -> Publication:
    return publish_statistics(
        objects,
        PARTITION,
        [ShardKey(shard) for shard in shards],
        list(PARTS),
        ROW,
        schema=schema_of(TOP),
        identity=IDENTITY,
        merge=lambda parts, tokens: merged_tables(parts, TOP, tokens),
    )


def make(objects: Objects) -> Publication:
    """Do what is missing, as a run does."""
    claim_profile(objects, PROFILE)
    if whole := published(objects, PARTITION, IDENTITY):
        return whole
    done = committed_units(objects, PARTITION, IDENTITY)
    for shard in range(SHARDS):
        if ShardKey(shard).id not in done:
            commit(objects, shard)
    try:
        return publish(objects)
    except CorruptUnitsError as error:
        for unit in error.units:
            if isinstance(unit, ShardKey):
                commit(objects, unit.shard)
        return publish(objects)
