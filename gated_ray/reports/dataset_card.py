"""The card of an exported dataset: what it holds, where it comes from, how to make it again."""

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from huggingface_hub import DatasetCardData

from gated_ray.vocabulary import counted

_IDENTIFIER = re.compile(r"[a-z0-9.-]+")
_OTHER = "other"
_MEANINGS = {
    "weights": "one row an MLP neuron: cosines of `w_gate`, `w_in` and `w_out`, norms, IO class",
    "activations": "one row a gated neuron: how often it acts in each quadrant of the signs of gate and in, and how strongly",
    "examples": "per neuron, quadrant and quantity the documents with the largest absolute values",
}


def dataset_card(
    configs: Sequence[str],
    weights: Sequence[Mapping[str, Any]],
    statistics: Sequence[Mapping[str, Any]],
    columns: str,
    license_given: str | None,
) -> str:
    """README.md of an exported folder.

    Args:
        configs: of ``weights``, ``activations``, ``examples`` those that the folder has.
        weights: rows of the models table that were exported.
        statistics: rows of the activation_models table that were exported.
        columns: ``own`` or ``reference``.
        license_given: by the user; None takes those of the models.
    """
    licences = [license_given] if license_given else sorted({row["license"] for row in statistics if row["license"]})
    names = sorted({row["model_name"] for row in (*weights, *statistics)})
    head = DatasetCardData(
        pretty_name=f"MLP neurons of {counted(len(names), 'model')}"
        if len(names) > 1
        else f"MLP neurons of {names[0]}",
        tags=["interpretability", "mlp-neurons", "gated-ray"],
        configs=[
            {"config_name": name, "data_files": [{"split": "train", "path": f"{name}/*.parquet"}]} for name in configs
        ],
        **_licence(licences),
    )
    lines = [
        f"---\n{head.to_yaml()}\n---",
        "",
        f"# MLP neurons of {', '.join(map(_code, names))}",
        "",
        "What each MLP neuron reads and writes ([arXiv 2505.17936](https://arxiv.org/abs/2505.17936)), measured by gated-ray.",
        "",
        *(f"- `{name}`: {_MEANINGS[name]}" for name in configs),
        "",
        "Every column carries its description in the parquet schema.",
    ]
    if columns == "reference":
        lines += ["", "`activations` has the columns of the authors' own dataset: TransformerLens' names of hooks."]
    lines += ["", "## Models", "", *_models(weights)] if weights else []
    lines += ["", "## Activations", "", *_statistics(statistics)] if statistics else []
    lines += ["", "## Made with", "", "```sh", *dict.fromkeys(_commands(weights, statistics)), "```", ""]
    return "\n".join(lines)


def _licence(licences: Sequence[str]) -> dict[str, Any]:
    """Keys of the card's head: one licence that is an identifier, else ``other`` and its name."""
    if len(licences) == 1 and _IDENTIFIER.fullmatch(licences[0]):
        return {"license": licences[0]}
    return {"license": _OTHER, "license_name": ", ".join(licences) or "not stated by the models"}


def _models(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        f"- {_code(row['model_name'])} at {_code(row['model_revision'])}, profile {_code(row['profile_name'])}: "
        f"{row['neurons']:,} neurons in {counted(row['blocks'], 'block')}; weights prepared as `{row['weights']}`, "
        f"regions `{row['regions']}`; gated-ray {row['gated_ray_version']}, torch {row['torch_version']}"
        for row in rows
    ]


def _statistics(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = []
    for row in rows:
        revision = f" at {_code(row['text_revision'])}" if row["text_revision"] else ""
        settings = [f"run in {row['dtype']}", f"top {row['top']} documents a ranking"]
        if row["max_length"] is not None:
            settings.append(f"documents cut to {row['max_length']:,} tokens, shuffled with seed {row['seed']}")
        lines.append(
            f"- {_code(row['model_name'])} at {_code(row['model_revision'])} over {_code(row['dataset_name'])}: "
            f"{row['documents']:,} documents, {row['tokens']:,} tokens of {_code(_place(row['text']))}{revision}, tokenizer "
            f"{_code(row['tokenizer_digest'])}; {', '.join(settings)}; licence {_code(row['license'] or 'not stated')}; "
            f"gated-ray {row['gated_ray_version']}, transformers {row['transformers_version']}"
        )
    return lines


def _commands(weights: Sequence[Mapping[str, Any]], statistics: Sequence[Mapping[str, Any]]) -> list[str]:
    """The commands that make these numbers again."""
    commands = [
        _command("sweep", row, f"profile.regions={row['regions']}", f"profile.weights={row['weights']}")
        for row in weights
    ]
    for row in statistics:
        revision = f"@{row['text_revision']}" if row["text_revision"] and "@" not in row["text"] else ""
        place = _with_revision(_place(row["text"]), revision)
        if row["max_length"] is None:
            data = [f"data.token_ids={place}"]
        else:
            data = [f"data.text={place}", f"data.max_length={row['max_length']}", f"data.seed={row['seed']}"]
        commands.append(
            _command(
                "activations",
                row,
                *data,
                f"data.name={row['dataset_name']}",
                f"statistics.dtype={row['dtype']}",
                f"statistics.top={row['top']}",
                f"profile.weights={row['weights']}",
            )
        )
    return commands


def _with_revision(place: str, revision: str) -> str:
    """``hf://datasets/ORG/NAME/PATH`` with the revision after the name."""
    if not revision or not place.startswith("hf://datasets/"):
        return place
    parts = place.split("/")
    return "/".join(parts[:5]) + revision + "".join(f"/{part}" for part in parts[5:])


def _command(job: str, row: Mapping[str, Any], *overrides: str) -> str:
    revision = row["model_revision"]
    where = _place(row["location"]) if revision.startswith("local-") else f"{row['model_name']}@{revision}"
    words = [f"models.refs=[{where}]", f"profile.name={row['profile_name']}", *overrides, "store.url=./results"]
    return f"python -m jobs.{job} {' '.join(shlex.quote(word) for word in words)}"


def _place(text: str) -> str:
    """A place without the folders of the machine that it lies on, which are nobody's business."""
    return text if "://" in text else text.rstrip("/").rpartition("/")[2] or text


def _code(text: str) -> str:
    """As Markdown code, whatever is in it."""
    plain = " ".join("".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text).split())
    ticks = "`" * (1 + max((len(run) for run in re.findall("`+", plain)), default=0))
    inner = f" {plain} " if "`" in plain else plain
    return f"{ticks}{inner}{ticks}"
