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
from gated_ray.architectures.products import PLAIN
from gated_ray.architectures.rules import Rule, built_in_rules
from gated_ray.errors import UnsupportedError
from gated_ray.sources.checkpoint import open_checkpoint
from tests.conformance.tiny_models import CASES, save_tiny

_HEAD = """\
# Supported model types

Made by `python -m tests.conformance.supported` from what is found in small random checkpoints of each type, built and saved
by `transformers`. For every type of the first table a test runs the live module on random inputs and holds its output, its
norms and its cosines against the vectors that gated-ray reads from the files (`tests/conformance/test_conformance.py`).

*reads*: the norm before the block, and whether its gain is `w` or `1 + w`. *after*: what profile `residual` multiplies into
`w_out`. A name in brackets is a variant of the type. Other model types are read where they have the plain `gate_proj`,
`up_proj`, `down_proj` of Llama; see [architectures](architectures.md).

## Gated model types of transformers

| model type | component | tensors | reads | after | activation | not in the vectors |
|---|---|---|---|---|---|---|
"""
_REFUSED = "\n## Refused, and why\n\n| model type | why |\n|---|---|\n"
_OTHERS = """
## Further model types

Plain models (two vectors a neuron: `w_in`, `w_out`), and families whose code is kept beside their weights on the Hub. That
code is never run: each family is tested against a small implementation of its own (`tests/architectures/`). Text backbones of
the composed types above are read under their own names too (`qwen3_vl_text`).

| model type | tensors | kind |
|---|---|---|
"""


def rows_of(case: str, architecture: Architecture) -> list[str]:
    """The table's rows for one case: one for each kind of block."""
    model_type = CASES[case][0]
    name = f"`{model_type}`" if case == model_type else f"`{model_type}` [{case.removeprefix(f'{model_type}_')}]"
    rows = dict.fromkeys(_row(name, block, architecture.caveat or "") for block in architecture.blocks)
    return list(rows)


def _row(name: str, block: Block, caveat: str) -> str:
    cells = (name, block.component, f"`{_tensors(block)}`", _reads(block), _after(block), _activation(block), caveat)
    return f"| {' | '.join(cells)} |"


def refusal_of(case: str, message: str) -> str:
    """The row of a case that is refused."""
    return f"| `{case}` | {message.rpartition('is not supported: ')[2]} |"


def document() -> str:
    """The whole of docs/supported.md."""
    rows, refusals, known = [], [], set[str]()
    for case in sorted(CASES):
        with tempfile.TemporaryDirectory() as folder:
            save_tiny(case, Path(folder))
            try:
                of_case = rows_of(case, find_architecture(open_checkpoint(folder)))
            except UnsupportedError as error:
                if case == CASES[case][0]:
                    refusals.append(refusal_of(case, str(error)))
                continue
        kinds = {_kind(row) for row in of_case}
        if case == CASES[case][0] or not kinds <= known:
            rows += of_case
        known |= kinds
    return "".join([_HEAD, *_lines(rows), _REFUSED, *_lines(refusals + further_refusals()), _OTHERS, *_lines(others())])


def _kind(row: str) -> str:
    """What a row says of its type, whatever the variant."""
    return re.sub(r" \[\w+\]", "", row)


def _lines(rows: Iterable[str]) -> list[str]:
    return [f"{row}\n" for row in rows]


def others() -> list[str]:
    """Rows of model types with rules that are none of the census's, nor the text backbones of these."""
    census = {model_type for model_type, _ in CASES.values()}
    listed = census | {f"{each}{suffix}" for each in census for suffix in ("_text", "_text_model")}
    rules = built_in_rules()
    rows = []
    for model_type in sorted(rules.families.keys() - listed, key=str.lower):
        read = [rule for rule in rules.families[model_type] if not rule.refuse]
        forms = [rules.forms[name] for name in dict.fromkeys(name for rule in read for name in rule.forms)]
        usual = all(rule.forms == rules.base.forms for rule in read)
        names = ["/".join(name.removesuffix(".weight") for name in form.names) for form in forms]
        tensors = (
            "Llama's names, apart or fused" if usual else " or ".join(f"`{each}`" for each in dict.fromkeys(names))
        )
        kinds = sorted({"gated" if form.gate else "plain" for form in forms})
        if read:
            rows.append(f"| `{model_type}` | {tensors} | {' or '.join(kinds)} |")
    return rows


def further_refusals() -> list[str]:
    """Rows of refusals that rules state, of types and variants without a case."""
    rules = {
        rule.types: rule for family in built_in_rules().families.values() for rule in family if rule.refuse
    }.values()
    rows = []
    for rule in rules:
        for model_type in rule.types:
            if model_type not in CASES or rule.when:
                rows.append(f"| `{model_type}`{_when(rule)} | {rule.refuse} |")
    return sorted(rows, key=str.lower)


def _when(rule: Rule) -> str:
    said = " and ".join(f"`{key}` is `{str(value).lower()}`" for key, value in rule.when.items())
    return f" where {said}" if said else ""


def _tensors(block: Block) -> str:
    """Module and names of the tensors, such as ``mlp.experts.N: gate_proj, up_proj, down_proj``."""
    names = [matrix.name.partition(f".{block.layer}.")[2].removesuffix(".weight") for matrix in block.matrices]
    module = commonpath([name.rpartition(".")[0].replace(".", "/") for name in names]).replace("/", ".")
    inner = ", ".join(dict.fromkeys(name.removeprefix(f"{module}.") for name in names))
    return f"{re.sub(r'[0-9]+$', 'N', module)}: {inner}" if block.expert is not None else f"{module}: {inner}"


def _reads(block: Block) -> str:
    if block.norm == "none":
        return "the raw stream"
    kind = {"rms": "RMSNorm", "layer": "LayerNorm"}[block.norm]
    if block.pre_norm is None:
        return f"{kind} without weights"
    return f"{kind}, {'1 + w' if block.pre_norm.kind == '1+w' else 'w'}"


def _after(block: Block) -> str:
    factors = [factor.record.name.partition(f".{block.layer}.")[2].removesuffix(".weight") for factor in block.write]
    factors += ["a constant factor"] * (block.multiplier != 1)
    return ", ".join(factors) or "nothing"


def _activation(block: Block) -> str:
    name = block.activation or "not named"
    return name if block.product == PLAIN else f"{name}: `{block.product}`"


if __name__ == "__main__":
    print(document(), end="")
