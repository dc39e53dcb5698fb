"""Models of any size made from class counts, without measuring: their cosines have the wanted classes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from gated_ray.neurons.classes import NO_CLASS, classify
from gated_ray.neurons.summaries import summarise_neurons
from gated_ray.settings import ProfileSettings
from gated_ray.store.keys import Partition, UnitKey
from gated_ray.store.objects import Objects
from gated_ray.store.publish import publish
from gated_ray.store.schemas import LAYERS, MODELS
from gated_ray.store.units import commit_unit
from gated_ray.vocabulary import IO_CLASSES, PLAIN_CLASSES

REVISION = "0123456789abcdef0123456789abcdef01234567"

_OUTPUTS = {
    "enrichment": (1, 1),
    "conditional_enrichment": (1, 0),
    "proportional_change": (0, 1),
    "orthogonal_output": (0, 0),
    "conditional_depletion": (-1, 0),
    "depletion": (-1, 1),
}
_DERIVED = {"blocks", "neurons", "neurons_without_cosine", "bytes_read", "seconds"}

Counts = Mapping[str, int]


@dataclass(frozen=True)
class MadeUpBlock:
    """One MLP or expert: neurons of each class, in an order of chance, then those without a cosine."""

    layer: int
    counts: Counts
    component: str = "mlp"
    expert: int | None = None
    without: int = 0
    d_model: int = 64
    middle: float = 0.0
    """Of the cos(w_in, w_out) that are weak."""

    @property
    def gated(self) -> bool:
        return set(self.counts) != set(PLAIN_CLASSES)

    @property
    def neurons(self) -> int:
        return sum(self.counts.values()) + self.without

    def tables(self) -> tuple[pa.Table, pa.Table]:
        """Its rows of the neurons and of the layers table, without the columns of the partition."""
        rng = np.random.default_rng([self.layer, self.expert or 0, *self.component.encode()])
        cosines = _cosines(rng, self)
        wanted = np.concatenate([np.full(n, IO_CLASSES.index(name)) for name, n in self.counts.items()])
        order = rng.permutation(len(wanted))
        padded = {pair: _padded(values[order], self.without) for pair, values in cosines.items()}
        codes = _classified(padded, self.gated)
        np.testing.assert_array_equal(codes[: len(wanted)], wanted[order])
        return self._neurons(rng, padded, codes), self._layer(padded, codes)

    def _neurons(self, rng: np.random.Generator, cosines: dict[str, Any], codes: Any) -> pa.Table:
        n = self.neurons
        names = pa.array([*IO_CLASSES, None])
        norms = {
            name: pa.array(rng.lognormal(0, 0.2, n), pa.float32()) for name in ("norm_gate", "norm_in", "norm_out")
        }
        columns = {
            "layer": pa.repeat(pa.scalar(self.layer, pa.int16()), n),
            "component": pa.repeat(self.component, n),
            "expert": pa.repeat(pa.scalar(self.expert, pa.int32()), n),
            "neuron": pa.array(np.arange(n), pa.int32()),
            **{f"cos_{pair}": pa.array(values, pa.float32(), from_pandas=True) for pair, values in cosines.items()},
            **norms,
            "sign": pa.array(rng.choice([-1, 1], n), pa.int8()),
            "io_class": names.take(pa.array(codes)),
        }
        if not self.gated:
            columns |= {name: pa.nulls(n, pa.float32()) for name in ("cos_gate_in", "cos_gate_out", "norm_gate")}
        return pa.table(columns)

    def _layer(self, cosines: dict[str, Any], codes: Any) -> pa.Table:
        chance = 1.96 / self.d_model**0.5
        regions = {
            "gate_in": (None, chance),
            "gate_out": (-0.5 * chance, 0.6 * chance),
            "in_out": (-chance, 1.2 * chance),
        }
        if not self.gated:
            regions = {"in_out": regions["in_out"]}
        doubles = {
            pair: cosines[pair].astype(np.float64) if self.gated or pair == "in_out" else None for pair in cosines
        }
        known = np.where(codes == len(IO_CLASSES), NO_CLASS, codes).astype(np.int8)
        row = {
            "layer": self.layer,
            "component": self.component,
            "expert": self.expert,
            "gated": self.gated,
            "d_model": self.d_model,
            "mismatched_regions": "sampled",
            "mismatched_pairs": 2_000_000,
            "mismatched_seed": 0,
            **{f"mismatched_{pair}_low": ends[0] for pair, ends in regions.items() if ends[0] is not None},
            **{f"mismatched_{pair}_high": ends[1] for pair, ends in regions.items()},
            "bytes_read": 1,
            "digest": "0" * 16,
            "digests": [],
            **summarise_neurons(doubles, known, (-chance, chance), regions),
        }
        return pa.Table.from_pylist([row], schema=_without_partition(LAYERS))


def store_model(
    objects: Objects,
    name: str,
    blocks: Iterable[MadeUpBlock],
    revision: str = REVISION,
    profile: str = "paper",
    **facts: Any,
) -> None:
    """Commit and publish a model as a sweep does; ``facts`` go into its row of the models table."""
    partition = Partition(name, revision, profile)
    identity = ProfileSettings(name=profile).identity()
    units = []
    for (layer, component), group in groupby(blocks, key=lambda block: (block.layer, block.component)):
        mine = list(group)
        experts = [block.expert or 0 for block in mine]
        units.append(UnitKey(layer, component, min(experts), max(experts)))
        made = [block.tables() for block in mine]
        neurons, layers = (pa.concat_tables([each[table] for each in made]) for table in (0, 1))
        facts |= {"gated": mine[0].gated}
        commit_unit(
            objects,
            partition,
            units[-1],
            neurons,
            layers,
            identity=identity,
            bytes_read=1,
            seconds=0.1,
            versions={},
            digests={},
        )
    empty = dict.fromkeys(set(MODELS.names) - set(partition.columns) - _DERIVED)
    publish(objects, partition, units, {**empty, **identity, **facts}, identity=identity, summarise=summarise_neurons)


def thinned(counts: Counts, by: int) -> dict[str, int]:
    """The counts divided, but at least one of each class that occurs."""
    return {name: max(1, n // by) if n else 0 for name, n in counts.items()}


def _cosines(rng: np.random.Generator, block: MadeUpBlock) -> dict[str, Any]:
    """By pair, for the classes one after another; the canonical sign makes cos(w_gate, w_in) at least 0."""
    parts: dict[str, list[Any]] = {"gate_in": [], "gate_out": [], "in_out": []}
    for name, n in block.counts.items():
        along, across = _OUTPUTS[name.removeprefix("atypical_")]
        side = np.full(n, along) if along else rng.choice([-1, 1], n)
        is_strong = np.full(n, abs(along) * across)
        if name.startswith("atypical_"):
            is_strong = 1 - is_strong
        parts["in_out"].append(_near_or_far(rng, np.full(n, along), block.middle))
        parts["gate_out"].append(_near_or_far(rng, across * side))
        parts["gate_in"].append(np.abs(_near_or_far(rng, is_strong)))
    return {pair: np.concatenate(values).astype(np.float32) for pair, values in parts.items()}


def _near_or_far(rng: np.random.Generator, signs: Any, middle: float = 0.0) -> Any:
    """Beyond the threshold on the side of the sign, or within it where the sign is 0."""
    near = np.clip(rng.normal(middle, 0.1, len(signs)), -0.49, 0.49)
    far = np.clip(0.5 + np.abs(rng.normal(0, 0.12, len(signs))), 0.51, 0.97)
    return np.where(signs == 0, near, signs * far)


def _padded(values: Any, without: int) -> Any:
    return np.concatenate([values, np.full(without, np.nan, dtype=np.float32)])


def _classified(cosines: dict[str, Any], gated: bool) -> Any:
    """Places in `IO_CLASSES`, one beyond them for none."""
    tensors = {pair: torch.from_numpy(values) for pair, values in cosines.items()}
    others = (tensors["gate_out"], tensors["gate_in"]) if gated else (None, None)
    codes = classify(tensors["in_out"], *others).numpy().astype(np.int64)
    return np.where(codes == NO_CLASS, len(IO_CLASSES), codes)


def _without_partition(schema: pa.Schema) -> pa.Schema:
    return pa.schema([field for field in schema if not field.name.startswith(("model_", "profile_"))])
