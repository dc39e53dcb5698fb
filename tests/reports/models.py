"""Models of every shape that figures must be readable for: shallow, deep, plain, mixtures of experts, without any class."""

from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gated_ray.reports.frequencies import LayerFrequencies, layer_frequencies
from gated_ray.reports.layer_rows import layer_rows
from gated_ray.reports.published_tables import class_counts
from gated_ray.store.activation_schemas import ACTIVATIONS
from gated_ray.store.schemas import LAYERS
from gated_ray.vocabulary import IO_CLASSES, PLAIN_CLASSES
from tests.reports.synthetic import REVISION, Block, Tables, block, tables

DATASET = "docs-small"
LONG_NAME = "an-organisation-with-a-long-name/a-model-with-a-long-name-Instruct-v2-70B"
FEW = {name: 2 + 3 * (name == "orthogonal_output") for name in IO_CLASSES}
_NONE = dict.fromkeys(IO_CLASSES, 0)
PLAIN = dict(zip(PLAIN_CLASSES, (3, 9, 4), strict=True))


def gated(layers: int, name: str = "Qwen/Qwen2.5-0.5B") -> Tables:
    return tables(name, [block(layer, FEW) for layer in range(layers)])


def mixture(layers: int, experts: int, dense: int = 1, name: str = "deepseek-ai/DeepSeek-V3") -> Tables:
    """Dense layers, then layers of experts with a shared one."""
    made: list[Block] = [block(layer, FEW) for layer in range(dense)]
    for layer in range(dense, layers):
        made += [block(layer, FEW, "expert", expert) for expert in range(experts)]
        made.append(block(layer, FEW, "shared_expert"))
    return tables(name, made)


MODELS = {
    "one layer": lambda: gated(1),
    "16 layers": lambda: gated(16, "meta-llama/Llama-3.2-1B"),
    "80 layers": lambda: gated(80, LONG_NAME),
    "plain": lambda: tables("EleutherAI/pythia-1b", [block(layer, PLAIN) for layer in range(16)]),
    "encoder and decoder": lambda: tables(
        "google-t5/t5-large",
        [block(layer, PLAIN, f"{stack}_mlp") for stack in ("encoder", "decoder") for layer in range(24)],
    ),
    "mixture": lambda: mixture(26, 1, 2),
    "no class": lambda: tables("org/null", [block(layer, _NONE, without_cosine=4) for layer in range(3)]),
    "no class, plain": lambda: tables("org/null", [block(0, dict.fromkeys(PLAIN_CLASSES, 0), without_cosine=4)]),
}


@cache
def model(name: str) -> Tables:
    """One of `MODELS`, made once."""
    return MODELS[name]()


@cache
def expert_layers(layers: int, experts: int, first: int = 1, every: int = 1, shared: bool = True) -> pa.Table:
    """The layers table of a mixture of many experts, made without its neurons: shares differ from expert to expert."""
    rng = np.random.default_rng([layers, experts])
    weights = np.linspace(1, 0.1, len(IO_CLASSES))
    rows = []
    for layer in range(first, layers, every):
        places = [("expert", expert) for expert in range(experts)] + ([("shared_expert", None)] if shared else [])
        for component, expert in places:
            counts = rng.multinomial(256, rng.dirichlet(8 * weights))
            place = {"layer": layer, "component": component, "expert": expert, "gated": True}
            sizes = {"neurons": 256, "neurons_without_cosine": 0, "d_model": 64, "theory_low": -0.2, "theory_high": 0.2}
            names = {"model_name": "org/moe", "model_revision": REVISION, "profile_name": "paper"}
            rows.append({**place, **sizes, **names, **dict(zip(IO_CLASSES, map(int, counts), strict=True))})
    return pa.Table.from_pylist(rows, schema=LAYERS)


def activations_of(neurons: pa.Table, seed: int = 0) -> pa.Table:
    """Activation statistics of these neurons, as far as reports read them: depletion neurons have positive gates more often."""
    rng = np.random.default_rng(seed)
    cosines = neurons["cos_in_out"].fill_null(0).to_numpy()
    frequency = np.clip(rng.beta(2, 4, len(cosines)) - 0.3 * cosines, 0, 1)
    n = neurons.num_rows
    known = {"tokens": [100] * n, "gate_positive_freq": frequency, "dataset_name": [DATASET] * n}
    columns = {name: neurons[name] for name in ACTIVATIONS.names if name in neurons.column_names} | known
    return pa.Table.from_pydict(
        {field.name: columns.get(field.name, pa.nulls(n, field.type)) for field in ACTIVATIONS}, schema=ACTIVATIONS
    )


@cache
def frequencies(name: str, layers: int = 12) -> list[LayerFrequencies]:
    """Of a small gated model of this name."""
    neurons, table, _ = gated(layers, name)
    found = []
    for row in layer_rows(table):
        mine = neurons.filter(pc.equal(neurons["layer"], row.layer))
        found.append(layer_frequencies(mine, activations_of(mine), row))
    return found


@cache
def _trained(names: tuple[str, ...]) -> tuple[pa.Table, pa.Table]:
    made = []
    for number, name in enumerate(names):
        one = tables("allenai/OLMo-1B", [block(0, FEW | {"depletion": number + 1})], revision=f"local-{number:012x}")
        asked = pa.array([name], pa.string())
        place = one[2].schema.get_field_index("requested_revision")
        made.append((one[1], one[2].set_column(place, one[2].schema.field(place), asked)))
    return pa.concat_tables(one[0] for one in made), pa.concat_tables(one[1] for one in made)


def trained(names: list[str]) -> tuple[pa.Table, pa.Table]:
    """(layers, models) of one model at revisions of these names, with 1, 2, 3 ... depletion neurons."""
    return _trained(tuple(names))


def published(name: str, share: float = 1.0) -> dict[int, dict[str, int]]:
    """The published counts of a model, of each cell this share."""
    return {layer: {key: int(count * share) for key, count in of.items()} for layer, of in class_counts(name).items()}
