"""Models made from class counts: neurons whose cosines have the wanted classes, layers that sum them up, a store of them."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gated_ray.neurons.summaries import summarise_neurons
from gated_ray.settings import ProfileSettings
from gated_ray.store.keys import Partition, UnitKey
from gated_ray.store.objects import Objects
from gated_ray.store.publish import publish
from gated_ray.store.schemas import LAYERS, MODELS, NEURONS
from gated_ray.store.units import commit_unit
from gated_ray.vocabulary import COSINES, IO_CLASSES, PLAIN_CLASSES

REVISION = "0123456789abcdef0123456789abcdef01234567"
REGION = (-0.07, 0.09)
"""The mismatched region of (in, out) of every block; that of (gate, out) is the same of half the size."""

_SIGNS = {
    "enrichment": (1, 1),
    "conditional_enrichment": (1, 0),
    "proportional_change": (0, 1),
    "orthogonal_output": (0, 0),
    "conditional_depletion": (-1, 0),
    "depletion": (-1, 1),
}
_PARTITION = ["model_name", "model_revision", "profile_name"]

Block = dict[str, Any]
Tables = tuple[pa.Table, pa.Table, pa.Table]


def block(
    layer: int,
    counts: dict[str, int],
    component: str = "mlp",
    expert: int | None = None,
    without_cosine: int = 0,
    shift: float = 0.0,
) -> Block:
    """One block: its place and, neuron by neuron, cosines and class; ``shift`` moves the middle of cos_in_out."""
    rng = np.random.default_rng([layer, expert or 0])
    gated = set(counts) != set(PLAIN_CLASSES)
    columns: dict[str, list[Any]] = {name: [] for name in (*COSINES, "io_class")}
    for io_class, n in counts.items():
        along, across = _SIGNS[io_class.removeprefix("atypical_")]
        side = rng.choice([-1, 1], n)
        columns["io_class"] += [io_class] * n
        columns["cos_in_out"] += _cosines(rng, np.full(n, along), shift)
        columns["cos_gate_out"] += _cosines(rng, across * side) if gated else [None] * n
        columns["cos_gate_in"] += [abs(x) for x in _cosines(rng, across * side)] if gated else [None] * n
    order = rng.permutation(len(columns["io_class"]))
    shuffled = {name: [values[i] for i in order] + [None] * without_cosine for name, values in columns.items()}
    return {"layer": layer, "component": component, "expert": expert, "gated": gated, **shuffled}


def blocks(counts: dict[int, dict[str, int]], **options: Any) -> list[Block]:
    return [block(layer, classes, **options) for layer, classes in counts.items()]


def tables(name: str, made: list[Block], revision: str = REVISION, profile: str = "paper") -> Tables:
    """(neurons, layers, models) in the store's schemas."""
    place = Partition(name, revision, profile).columns
    neurons = pa.concat_tables([_neurons(one, place) for one in made])
    layers = pa.Table.from_pylist([_layer(one) | place for one in made], schema=LAYERS)
    model = {"gated": made[0]["gated"], "blocks": len(made), "neurons": neurons.num_rows}
    return neurons, layers, pa.Table.from_pylist([place | model], schema=MODELS)


def put(objects: Objects, name: str, made: list[Block], revision: str = REVISION, profile: str = "paper") -> None:
    """Commit and publish a model as a sweep does."""
    neurons, layers, models = tables(name, made, revision, profile)
    partition = Partition(name, revision, profile)
    identity = ProfileSettings(name=profile).identity()
    units = []
    for layer, component in dict.fromkeys((one["layer"], one["component"]) for one in made):
        experts = [one["expert"] or 0 for one in made if (one["layer"], one["component"]) == (layer, component)]
        units.append(UnitKey(layer, component, min(experts), max(experts)))
        mine = (pc.field("layer") == layer) & (pc.field("component") == component)
        commit_unit(
            objects,
            partition,
            units[-1],
            neurons.filter(mine).drop_columns(_PARTITION),
            layers.filter(mine).drop_columns(_PARTITION),
            identity=identity,
            bytes_read=1,
            seconds=0.1,
            versions={},
            digests={},
        )
    derived = {"blocks", "neurons", "neurons_without_cosine", "bytes_read", "seconds"}
    row = {key: value for key, value in models.to_pylist()[0].items() if key not in derived | set(_PARTITION)}
    publish(objects, partition, units, row, identity=identity, summarise=summarise_neurons)


def _cosines(rng: np.random.Generator, signs: np.ndarray, shift: float = 0.0) -> list[float]:
    """Beyond the threshold on the side of the sign, or within it where the sign is 0."""
    near = np.clip(rng.normal(shift, 0.13, len(signs)), -0.49, 0.49)
    far = np.clip(0.5 + np.abs(rng.normal(0, 0.14, len(signs))), 0.51, 0.97)
    return np.where(signs == 0, near, signs * far).tolist()


def _neurons(one: Block, place: dict[str, str]) -> pa.Table:
    n = len(one["io_class"])
    repeated = {name: [one[name]] * n for name in ("layer", "component", "expert")}
    repeated |= {name: [value] * n for name, value in place.items()}
    rng = np.random.default_rng([one["layer"], 1])
    norms = {name: rng.lognormal(0.05 * one["layer"], 0.2, n).tolist() for name in ("norm_gate", "norm_in", "norm_out")}
    norms |= {} if one["gated"] else {"norm_gate": [None] * n}
    own = {"neuron": list(range(n)), "sign": [1] * n, **norms, **{name: one[name] for name in (*COSINES, "io_class")}}
    return pa.Table.from_pydict({**repeated, **own}, schema=NEURONS)


def _layer(one: Block) -> dict[str, Any]:
    kinds = IO_CLASSES if one["gated"] else PLAIN_CLASSES
    known = np.array([value for value in one["cos_in_out"] if value is not None], dtype=np.float32)
    return {
        **{name: one[name] for name in ("layer", "component", "expert", "gated")},
        **{name: one["io_class"].count(name) for name in kinds},
        "d_model": 64,
        "neurons": len(one["io_class"]),
        "neurons_without_cosine": one["io_class"].count(None),
        "cos_in_out_median": float(np.median(known)) if len(known) else None,
        "theory_low": -0.24,
        "theory_high": 0.24,
        "mismatched_regions": "sampled",
        "mismatched_in_out_low": REGION[0],
        "mismatched_in_out_high": REGION[1],
        "mismatched_gate_out_low": REGION[0] / 2 if one["gated"] else None,
        "mismatched_gate_out_high": REGION[1] / 2 if one["gated"] else None,
        "cos_in_out_histogram": np.histogram(known, bins=10, range=(-1, 1))[0].tolist(),
        "bytes_read": 1,
        "digest": "0" * 32,
    }
