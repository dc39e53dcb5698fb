"""A small sound checkpoint in two shards, to be broken, and the means to change single tensors in it."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.checkpoints.cosine_cells import CELLS
from tests.checkpoints.planted import plant_checkpoint
from tests.checkpoints.raw_safetensors import StoredTensor, pack, unpack

D_MODEL = 32
D_MLP = 4 * len(CELLS)
LAYERS = 2
FIRST, LAST = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
GATE, IN, OUT = (f"model.layers.0.mlp.{name}_proj.weight" for name in ("gate", "up", "down"))
"""Layer 0's MLP, all in the first shard."""
GAIN = "model.layers.0.post_attention_layernorm.weight"
CONFIG = "config.json"
INDEX = "model.safetensors.index.json"
BF16_BYTES = 2


def sound_checkpoint(folder: Path) -> Path:
    """A Llama of 2 layers, 44 neurons each (4 of every class) and d_model 32, in bf16; returns the folder."""
    table = {layer: dict.fromkeys(CELLS, 4) for layer in range(LAYERS)}
    plant_checkpoint(folder, table, d_model=D_MODEL, model_type="llama", shards=2)
    return folder


def set_config(folder: Path, **values: Any) -> None:
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(config | values, indent=2))


def edit_tensor(folder: Path, name: str, edit: Callable[[StoredTensor], StoredTensor]) -> None:
    """Replace a tensor; its shard stays sound in itself."""
    shard = folder / json.loads((folder / INDEX).read_text())["weight_map"][name]
    tensors = unpack(shard)
    pack(shard, tensors | {name: edit(tensors[name])})


def cut(shape: tuple[int, ...]) -> Callable[[StoredTensor], StoredTensor]:
    """An edit: a smaller shape, filled with the first values."""

    def edit(tensor: StoredTensor) -> StoredTensor:
        return StoredTensor(tensor.dtype, shape, tensor.data[: math.prod(shape) * BF16_BYTES])

    return edit


def with_row(row: int, values: bytes) -> Callable[[StoredTensor], StoredTensor]:
    """An edit: other values in one row."""

    def edit(tensor: StoredTensor) -> StoredTensor:
        begin = row * len(values)
        return StoredTensor(
            tensor.dtype, tensor.shape, tensor.data[:begin] + values + tensor.data[begin + len(values) :]
        )

    return edit


def with_column(column: int, values: bytes) -> Callable[[StoredTensor], StoredTensor]:
    """An edit: other values in one column."""

    def edit(tensor: StoredTensor) -> StoredTensor:
        rows, width = tensor.shape
        data = bytearray(tensor.data)
        for row in range(rows):
            begin = (row * width + column) * BF16_BYTES
            data[begin : begin + BF16_BYTES] = values[BF16_BYTES * row : BF16_BYTES * (row + 1)]
        return StoredTensor(tensor.dtype, tensor.shape, bytes(data))

    return edit
