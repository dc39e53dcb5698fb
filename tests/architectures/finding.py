"""Small checkpoints of one family, and what is found in them."""

import json
import re
from collections.abc import Callable
from pathlib import Path

from gated_ray.architectures.blocks import Block
from gated_ray.architectures.finding import find_blocks
from gated_ray.sources.checkpoint import open_checkpoint
from tests.checkpoints.raw_safetensors import StoredTensor, pack, unpack
from tests.checkpoints.tiny import CASES, tiny_checkpoint


def found_in(folder: Path) -> list[Block]:
    return find_blocks(open_checkpoint(str(folder)))


def names_tensor(message: str, tensor: str) -> bool:
    """Whether a message names a tensor: in full, or by its layer and what follows the layer's number."""
    layer = re.match(r".*?\.\d+(?=\.)", tensor)
    return tensor in message or (
        layer is not None and layer[0] in message and tensor.removeprefix(f"{layer[0]}.") in message
    )


def tiny_case(folder: Path, case: str) -> Path:
    """The checkpoint of a case of `CASES`, in one shard; returns the folder."""
    model_type, overrides = CASES[case]
    tiny_checkpoint(folder, model_type, **overrides)
    return folder


def edit_tensors(folder: Path, edit: Callable[[dict[str, StoredTensor]], dict[str, StoredTensor]]) -> None:
    """Write other tensors than those of a checkpoint of one shard."""
    path = folder / "model.safetensors"
    pack(path, edit(unpack(path)))


def rename_tensors(folder: Path, rename: Callable[[str], str]) -> None:
    edit_tensors(folder, lambda tensors: {rename(name): tensor for name, tensor in tensors.items()})


def edit_config(folder: Path, *remove: str, **values: object) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text()) | values
    path.write_text(json.dumps({key: value for key, value in config.items() if key not in remove}))
