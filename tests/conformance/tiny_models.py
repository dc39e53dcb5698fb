"""Tiny random models of every gated model type of the census, built and saved by transformers itself.

``python -m tests.conformance.tiny_models [case ...]`` saves them one by one and lists the MLP tensors on disk.
"""

import csv
import re
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import transformers
from safetensors import safe_open
from transformers import PreTrainedModel
from transformers.models.auto import modeling_auto

from tests.conformance.tiny_configs import merged, tiny_config, unchecked
from tests.conformance.tiny_inputs import tiny_inputs
from tests.conformance.tiny_multimodal_overrides import MULTIMODAL_OVERRIDES
from tests.conformance.tiny_text_overrides import TEXT_OVERRIDES
from tests.conformance.tiny_variants import CLASSES, NO_FORWARD, UNBUILDABLE, VARIANTS, WHILE_BUILT
from tests.conformance.tiny_weights import randomise

__all__ = ["CASES", "NO_FORWARD", "UNBUILDABLE", "census", "save_tiny", "tiny_inputs", "tiny_model"]


def census() -> list[str]:
    """Every gated model type of transformers 5.23, in the order of tests/data/architectures.csv."""
    path = Path(__file__).parents[1] / "data" / "architectures.csv"
    with path.open(newline="") as file:
        return list(dict.fromkeys(row["model_type"] for row in csv.DictReader(file)))


_OVERRIDES = TEXT_OVERRIDES | MULTIMODAL_OVERRIDES

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, _OVERRIDES.get(name, {})) for name in census() if name not in UNBUILDABLE},
    **{case: (name, merged(_OVERRIDES.get(name, {}), keys)) for case, (name, keys) in VARIANTS.items()},
}
"""Case name to (model_type, config overrides): every model type under its own name, then the variants."""

_TASKS = ("MULTIMODAL_LM", "IMAGE_TEXT_TO_TEXT", "SEQ_TO_SEQ_CAUSAL_LM", "SPEECH_SEQ_2_SEQ", "CAUSAL_LM", "MASKED_LM")
"""The widest class first: it is the one whose tensor names checkpoints on the Hub have."""


def tiny_model(case: str, *, seed: int = 0) -> PreTrainedModel:
    """The model of that case in eval mode, float32, with eager attention and experts; equal seeds give equal weights.

    Text sizes: d_model 32 (d_mlp 48, experts 40, shared experts 24 where the config has them apart), 3 layers, 4 experts of
    which 2 are chosen, 128 tokens.
    """
    model_type, overrides = CASES[case]
    config = tiny_config(model_type, overrides)
    name = CLASSES.get(case) or _class_name(model_type)
    model_class: type[PreTrainedModel] = getattr(transformers, name)
    with torch.random.fork_rng(), unchecked(config, WHILE_BUILT.get(model_type, {})):
        torch.manual_seed(seed)
        plain = {"attn_implementation": "eager", "experts_implementation": "eager"}
        model = model_class._from_config(config, dtype=torch.float32, **plain)
    model.float().eval()
    randomise(model, torch.Generator().manual_seed(seed))
    return model


def _class_name(model_type: str) -> str:
    for task in _TASKS:
        name = getattr(modeling_auto, f"MODEL_FOR_{task}_MAPPING_NAMES").get(model_type)
        if name is not None:
            return str(name)
    return str(modeling_auto.MODEL_MAPPING_NAMES[model_type])


def save_tiny(case: str, folder: Path, *, seed: int = 0) -> PreTrainedModel:
    """`tiny_model`, saved in `folder` as safetensors under the names that transformers writes; returns the model."""
    model = tiny_model(case, seed=seed)
    model.save_pretrained(folder)
    return model


_MLP_LIKE = re.compile(r"mlp|ffn|feed_forward|expert|moe|DenseReluDense|proj_up|proj_down|norm", re.IGNORECASE)


def _show(case: str) -> None:
    start = time.perf_counter()
    with TemporaryDirectory() as folder:
        model = save_tiny(case, Path(folder))
        names: dict[str, set[tuple[int, ...]]] = {}
        for path in Path(folder).glob("*.safetensors"):
            with safe_open(path, "pt") as tensors:
                for name in filter(_MLP_LIKE.search, tensors.keys()):
                    shapes = names.setdefault(re.sub(r"\d+", "{}", name), set())
                    shapes.add(tuple(tensors.get_slice(name).get_shape()))
    print(f"{case}: {time.perf_counter() - start:.2f} s, {model.num_parameters()} parameters, {type(model).__name__}")
    for name, shapes in sorted(names.items()):
        print(f"    {name} {sorted(shapes)}")


if __name__ == "__main__":
    for shown in sys.argv[1:] or CASES:
        _show(shown)
