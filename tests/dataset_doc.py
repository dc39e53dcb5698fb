"""``python -m tests.dataset_doc > docs/dataset.md``: the dataset's columns, from its schemas."""

import pyarrow as pa

from gated_ray.store.schemas import LAYERS, MODELS, NEURONS

_HEAD = """# The dataset

Generated from `gated_ray/store/schemas.py` by `python -m tests.dataset_doc`; the same descriptions stand in the parquet
files, as field metadata.

Files: `neurons/model=ORG--NAME/revision=REV/profile=P/part-00000.parquet`, and `layers/` and `models/` likewise. A model
counts as published once `_units/.../published.json` names its files; `gated_ray.open_store` shows published models only.
`raw/` and `_units/` are the workers' own. In a neurons file each layer is a row group, and rows are sorted by layer,
component, expert and neuron.
"""


def document() -> str:
    """The page."""
    return _HEAD + "".join(_section(name, schema) for name, schema in _TABLES.items())


_TABLES = {"neurons": NEURONS, "layers": LAYERS, "models": MODELS}


def _section(name: str, schema: pa.Schema) -> str:
    lines = [
        f"\n## {name}\n",
        f"{schema.metadata[b'description'].decode()}.\n",
        "| column | type | meaning |",
        "|---|---|---|",
    ]
    for field in schema:
        meaning = field.metadata[b"description"].decode().replace("|", "\\|")
        lines.append(f"| `{field.name}` | {field.type} | {meaning} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(document(), end="")
