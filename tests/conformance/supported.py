"""docs/supported.md: what gated-ray reads, made from what it finds in the checkpoints of the conformance test.

python -m tests.conformance.supported > docs/supported.md
"""

import re
import tempfile
from collections.abc import Iterable
from pathlib import Path
from posixpath import commonpath

from gated_ray.architectures.blocks import Block
from gated_ray.architectures.finding import Architecture, find_architecture
from gated_ray.architectures.rules import built_in_rules
from gated_ray.errors import UnsupportedError
from gated_ray.sources.checkpoint import open_checkpoint
from tests.conformance.tiny_models import CASES, save_tiny

_HEAD = """\
# Supported model types

Made by `python -m tests.conformance.supported` from what is found in small random checkpoints of each type, built and saved
by `transformers`. For every type of the first table a test runs the live module on random inputs and holds its output, its
norms and its cosines against the vectors that gated-ray reads from the files (`tests/conformance/test_conformance.py`).

*fold*: what the pre-norm does to `w_gate` and `w_in`. *after*: what profile `residual` multiplies into `w_out`.
Other model types are read where they have the plain `gate_proj`, `up_proj`, `down_proj` of Llama; see
[architectures](architectures.md).

## Gated model types of transformers

| model type | blocks | fold | after | activation | not in the vectors |
|---|---|---|---|---|---|
"""
_REFUSED = "\n## Refused, and why\n\n| model type | why |\n|---|---|\n"
_OTHERS = """
## Further model types

Plain models (two vectors a neuron: `w_in`, `w_out`) and families whose code is kept beside their weights on the Hub. Their
code is never run; each is tested against a small implementation of its own.

"""


def row_of(model_type: str, architecture: Architecture) -> str:
    """The table's row for one model type."""
    blocks = architecture.blocks
    cells = (
        f"`{model_type}`",
        _joined(f"{block.component}: `{_tensors(block)}`" for block in blocks),
        _joined(map(_fold, blocks)),
        _joined(map(_after, blocks)),
        _joined(_activation(block) for block in blocks),
        architecture.caveat or "",
    )
    return f"| {' | '.join(cells)} |"


def refusal_of(model_type: str, message: str) -> str:
    """The row of a model type that is refused."""
    return f"| `{model_type}` | {message.rpartition('is not supported: ')[2]} |"


def document() -> str:
    """The whole of docs/supported.md."""
    rows, refusals = [], []
    for case, (model_type, _) in sorted(CASES.items()):
        if case != model_type:
            continue
        with tempfile.TemporaryDirectory() as folder:
            save_tiny(case, Path(folder))
            try:
                rows.append(row_of(model_type, find_architecture(open_checkpoint(folder))))
            except UnsupportedError as error:
                refusals.append(refusal_of(model_type, str(error)))
    return _HEAD + "\n".join(rows) + "\n" + _REFUSED + "\n".join(refusals) + "\n" + _OTHERS + others() + "\n"


def others() -> str:
    """Model types with rules that are none of the census's."""
    census = {model_type for model_type, _ in CASES.values()}
    listed = census | {f"{each}{suffix}" for each in census for suffix in ("_text", "_text_model")}
    types = sorted(built_in_rules().families.keys() - listed, key=str.lower)
    return ", ".join(f"`{each}`" for each in types) + "."


def _joined(cells: Iterable[str]) -> str:
    return "<br>".join(dict.fromkeys(cells))


def _tensors(block: Block) -> str:
    """Module and names of the tensors, such as ``mlp.experts.N: gate_proj, up_proj, down_proj``."""
    names = [matrix.name.partition(f".{block.layer}.")[2].removesuffix(".weight") for matrix in block.matrices]
    module = commonpath([name.rpartition(".")[0].replace(".", "/") for name in names]).replace("/", ".")
    inner = ", ".join(dict.fromkeys(name.removeprefix(f"{module}.") for name in names))
    return f"{re.sub(r'[0-9]+$', 'N', module)}: {inner}" if block.expert is not None else f"{module}: {inner}"


def _fold(block: Block) -> str:
    if block.norm == "none":
        return "reads the raw stream"
    kind = {"rms": "RMSNorm", "layer": "LayerNorm"}[block.norm]
    if block.pre_norm is None:
        return f"{kind} without weights"
    return f"{kind}, {'1 + w' if block.pre_norm.kind == '1+w' else 'w'}"


def _after(block: Block) -> str:
    factors = [factor.record.name.partition(f".{block.layer}.")[2].removesuffix(".weight") for factor in block.write]
    return ", ".join([*factors, *(["a constant factor"] if block.multiplier != 1 else [])])


def _activation(block: Block) -> str:
    name = block.activation or "not named"
    return name if block.product == "act(gate) * in" else f"{name}: `{block.product}`"


if __name__ == "__main__":
    print(document(), end="")
