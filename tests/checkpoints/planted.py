"""Checkpoints whose class table is known beforehand: every neuron is planted with cosines of a chosen IO class."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file

from gated_ray.reports.published_tables import class_counts
from tests.checkpoints.cosine_cells import CELLS
from tests.checkpoints.planted_families import FAMILIES, Surroundings, config_of
from tests.checkpoints.planted_vectors import plant_layer

ClassTable = Mapping[int, Mapping[str, int]]
"""Layer to IO class to number of neurons."""


def plant_checkpoint(
    folder: Path,
    class_table: ClassTable,
    *,
    d_model: int,
    model_type: str = "qwen2",
    dtype: torch.dtype = torch.bfloat16,
    margin: float = 0.03,
    seed: int = 0,
    shards: int = 1,
    vocab_size: int = 64,
    embeddings: bool = True,
) -> None:
    """Write a checkpoint whose folded weights (profile ``paper``, float64) have exactly this class table.

    Every |cosine| of the weights as stored is at least `margin` from the threshold, and cos_gate_in as far from zero, so
    neither class nor canonical sign depends on rounding. Norm gains lie in 0.3 to 2.5, half of the neurons are
    stored with (w_in, w_out) flipped, vectors differ in length, neurons stand in random order.

    Args:
        folder: created if missing; gets config.json and the shards.
        class_table: every layer from 0, each with the same number of neurons in all.
        d_model: width of the residual stream, at least 8 and even.
        model_type: llama, mistral, qwen2 or gemma2.
        dtype: stored dtype of all tensors.
        margin: least distance of each |cosine| from 0.5.
        seed: equal seeds give equal files.
        shards: number of files; cut by bytes in state-dict order, so an MLP may straddle two of them.
        vocab_size: rows of the (tied) embeddings.
        embeddings: False leaves the embeddings out; such a checkpoint does not load in transformers.

    Raises:
        ValueError: the layers differ in size or are not numbered from 0, or the margin leaves a class empty.
    """
    sizes = {sum(counts.values()) for counts in class_table.values()}
    if sorted(class_table) != list(range(len(class_table))) or len(sizes) != 1:
        raise ValueError(f"layers must be numbered from 0 and equal in size, got {sorted(class_table)} and {sizes}")
    (d_mlp,) = sizes
    family = FAMILIES[model_type]
    config = config_of(model_type, len(class_table), d_model, d_mlp, vocab_size, dtype)
    surroundings = Surroundings(config, dtype, torch.Generator().manual_seed(seed))
    tensors = surroundings.before_layers()
    for layer, counts in sorted(class_table.items()):
        generator = torch.Generator().manual_seed((seed + 1) * 1_000_003 + layer)
        tensors |= surroundings.of_layer(layer)
        tensors |= plant_layer(layer, counts, d_model, family, dtype, margin, generator)
    tensors |= surroundings.after_layers()
    if not embeddings:
        del tensors["model.embed_tokens.weight"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    _save(folder, tensors, shards)


def published_table(model: str) -> dict[int, dict[str, int]]:
    """The published neurons per layer and IO class of a gated model, such as ``Qwen/Qwen2.5-0.5B``.

    Raises:
        ValueError: the model is plain; three classes do not say how to plant three vectors.
    """
    table = class_counts(model)
    if any(counts.keys() != CELLS.keys() for counts in table.values()):
        raise ValueError(f"{model} is not gated")
    return table


def scaled_table(table: ClassTable, d_mlp: int) -> dict[int, dict[str, int]]:
    """The table of a model with `d_mlp` neurons a layer and the same shares, by largest remainder."""
    return {layer: _scaled(counts, d_mlp) for layer, counts in table.items()}


def _scaled(counts: Mapping[str, int], d_mlp: int) -> dict[str, int]:
    total = sum(counts.values())
    scaled = {name: count * d_mlp // total for name, count in counts.items()}
    by_remainder = sorted(counts, key=lambda name: counts[name] * d_mlp % total, reverse=True)
    for name in by_remainder[: d_mlp - sum(scaled.values())]:
        scaled[name] += 1
    return scaled


def _save(folder: Path, tensors: dict[str, torch.Tensor], shards: int) -> None:
    total = sum(tensor.nbytes for tensor in tensors.values())
    if shards == 1:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        return
    weight_map: dict[str, str] = {}
    done = 0
    for name, tensor in tensors.items():
        weight_map[name] = f"model-{done * shards // total + 1:05d}-of-{shards:05d}.safetensors"
        done += tensor.nbytes
    for shard in dict.fromkeys(weight_map.values()):
        part = {name: tensor for name, tensor in tensors.items() if weight_map[name] == shard}
        save_file(part, folder / shard, metadata={"format": "pt"})
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")
