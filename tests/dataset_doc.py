"""``python -m tests.dataset_doc > docs/dataset.md``: the dataset's columns, from its schemas."""

from textwrap import indent

import pyarrow as pa

from gated_ray.store.activation_schemas import ACTIVATION_MODELS, ACTIVATIONS, EXAMPLES, TOKENS
from gated_ray.store.schemas import EXPERT_LAYERS, LAYERS, MODELS, NEURONS

_HEAD = """# The dataset

Generated from `gated_ray/store/schemas.py` and `activation_schemas.py` by `python -m tests.dataset_doc`; the same descriptions
stand in the parquet files, as field metadata and, for other readers than Arrow, as a JSON object under the key `columns`;
in DuckDB:

    SELECT decode(value) FROM parquet_kv_metadata('FILE') WHERE decode(key) = 'columns'

Files: `neurons/model=ORG--NAME/revision=REV/profile=P/part-00000.parquet`, and `layers/`, `expert_layers/` and
`models/` likewise. A model counts as published once `_units/.../published.json` names its files; `gated_ray.open_store`
shows published models only. `raw/` and `_units/` are the workers' own. In a neurons file each component of a layer is a row
group (several above 2^20 neurons), and rows are sorted by layer, component, expert and neuron.

Activation statistics, where they were taken, lie in `activations/model=ORG--NAME/revision=REV/dataset=D/profile=P/`, in
`examples/` and `activation_models/` likewise, and the texts in `tokens/dataset=D/tokenizer=DIGEST/`
([activations.md](activations.md)). A row of `examples` names a row of `tokens` by `dataset_name` and `document`;
`activation_models` says which tokenizer's.

Mixtures of experts: an expert is a block, with its own row in `layers`, and its number in `expert`. Sums over `layers`
therefore count every neuron once. `expert_layers` has all experts of a layer together, computed from their neurons, where
medians and quartiles cannot be had from the experts' own; models without experts have no such file.

A model is measured again where its revision, a setting of its profile or the understanding of its blocks changes: which
tensors they are, in what order and encoding, and what the norms before and after them do. How gate and in make the
activation, and biases, are recorded in `models` and change no number here.

Digests: every tensor range that is read has an xxh3-64 in `layers.digests`, over its bytes as they lie in the safetensors file;
`name[4:5]` is entry 4 of the first dimension. They depend neither on shards and workers nor on where the weights lie. Of the
models that two stores both hold (of two runs, two machines, or swept at the Hub and at a mirror), this names every layer and
tensor whose bytes differ, in DuckDB:

"""

COMPARISON = """\
WITH
  a AS (SELECT DISTINCT model_name, model_revision, layer, component, unnest(digests, recursive := true)
        FROM 'A/layers/**/*.parquet'),
  b AS (SELECT DISTINCT model_name, model_revision, layer, component, unnest(digests, recursive := true)
        FROM 'B/layers/**/*.parquet')
SELECT model_name, model_revision, layer, component, tensor, a.digest AS digest_a, b.digest AS digest_b
FROM a FULL JOIN b USING (model_name, model_revision, layer, component, tensor)
WHERE a.digest IS DISTINCT FROM b.digest
  AND (model_name, model_revision) IN (SELECT (model_name, model_revision) FROM a)
  AND (model_name, model_revision) IN (SELECT (model_name, model_revision) FROM b)
ORDER BY ALL
"""

_AFTER_COMPARISON = """
No row: no model that both hold differs. `python -m jobs.verify store.url=URL source=true` compares a store with the sources
themselves.
"""


def document() -> str:
    """The page."""
    comparison = indent(COMPARISON, "    ")
    return _HEAD + comparison + _AFTER_COMPARISON + "".join(section(name, schema) for name, schema in _TABLES.items())


_TABLES = {
    "neurons": NEURONS,
    "layers": LAYERS,
    "expert_layers": EXPERT_LAYERS,
    "models": MODELS,
    "activations": ACTIVATIONS,
    "examples": EXAMPLES,
    "activation_models": ACTIVATION_MODELS,
    "tokens": TOKENS,
}


def section(name: str, schema: pa.Schema) -> str:
    """A table of the page: its columns, with types and meanings."""
    lines = [
        f"\n## {name}\n",
        f"{schema.metadata[b'description'].decode()}.\n",
        "| column | type | meaning |",
        "|---|---|---|",
    ]
    for field in schema:
        meaning = field.metadata[b"description"].decode().replace("|", "\\|")
        lines.append(f"| `{field.name}` | {_type(field.type)} | {meaning} |")
    return "\n".join(lines) + "\n"


def _type(kind: pa.DataType) -> str:
    return f"{kind.value_type} (dictionary)" if pa.types.is_dictionary(kind) else str(kind)


if __name__ == "__main__":
    print(document(), end="")
