"""Rename a saved checkpoint's tensors to what the family's original repositories on the Hub have.

transformers reads these names as well as its own, and so must we.
"""

import json
import re
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

HUB_STYLES: dict[str, tuple[tuple[str, str], ...]] = {
    "gpt2": ((r"^transformer\.", ""),),
    "bloom": ((r"^transformer\.", ""),),
    "opt": ((r"^model\.", ""),),
    "bert": ((r"LayerNorm\.weight$", "LayerNorm.gamma"), (r"LayerNorm\.bias$", "LayerNorm.beta")),
    "bert_bare": ((r"^bert\.", ""),),
}
"""Style to substitutions: gpt2 and bloom were saved without a head, early OPT as ``decoder.``, early BERT from TensorFlow."""


def use_hub_names(folder: Path, style: str) -> None:
    """Rename every tensor of every shard (and of the index) in place; GPT-2 also gets its causal-mask buffers."""
    index_path = folder / "model.safetensors.index.json"
    weight_map = {}
    for path in sorted(folder.glob("model*.safetensors")):
        tensors = {_renamed(name, style): tensor for name, tensor in load_file(path).items()}
        if style == "gpt2":
            layers = [name.removesuffix("c_attn.weight") for name in tensors if name.endswith("attn.c_attn.weight")]
            tensors |= {f"{layer}bias": torch.ones(1, 1, 8, 8).tril() for layer in layers}
        save_file(tensors, path, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(tensors, path.name)
    if index_path.exists():
        index = json.loads(index_path.read_text()) | {"weight_map": weight_map}
        index_path.write_text(json.dumps(index, indent=2))


def _renamed(name: str, style: str) -> str:
    for pattern, replacement in HUB_STYLES[style]:
        name = re.sub(pattern, replacement, name)
    return name
