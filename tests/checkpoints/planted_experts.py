"""Mixtures of experts whose class tables are known beforehand, expert by expert, in the layouts that checkpoints have."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from tests.checkpoints.cosine_cells import CELLS
from tests.checkpoints.planted_vectors import plant_vectors

Tensors = dict[str, torch.Tensor]
Place = tuple[int, str, int | None]
"""Layer, component, and expert."""

ExpertTables = Mapping[Place, Mapping[str, int]]
"""Neurons of each class in each block."""


@dataclass(frozen=True)
class Layout:
    """How a model type stores the experts of a layer.

    Attributes:
        store: from w_gate, w_in and w_out of all experts, (experts, 3, neurons, d_model), to tensors by name within a layer.
        gain_offset: 1 where norms multiply by 1 + w.
        shared: whether there is a shared expert.
    """

    store: Callable[[torch.Tensor], Tensors]
    gain_offset: float = 0.0
    shared: bool = False


def _one_by_one(prefix: str, gate: str, up: str, down: str) -> Callable[[torch.Tensor], Tensors]:
    def store(experts: torch.Tensor) -> Tensors:
        tensors = {}
        for number, (w_gate, w_in, w_out) in enumerate(experts):
            named = {gate: w_gate, up: w_in, down: w_out.T}
            tensors |= {f"{prefix}.{number}.{name}.weight": part.contiguous() for name, part in named.items()}
        return tensors

    return store


def _fused(experts: torch.Tensor) -> Tensors:
    """(experts, outputs, inputs), gate before up: as Qwen3.5-MoE."""
    return {
        "mlp.experts.gate_up_proj": experts[:, :2].flatten(1, 2).contiguous(),
        "mlp.experts.down_proj": experts[:, 2].mT.contiguous(),
    }


def _interleaved(experts: torch.Tensor) -> Tensors:
    """(experts, inputs, outputs), gate and up by turns, with biases: as gpt-oss."""
    count, _, neurons, d_model = experts.shape
    gate_up = experts[:, :2].transpose(1, 2).flatten(1, 2)
    return {
        "mlp.experts.gate_up_proj": gate_up.mT.contiguous(),
        "mlp.experts.gate_up_proj_bias": torch.ones(count, 2 * neurons, dtype=experts.dtype),
        "mlp.experts.down_proj": experts[:, 2].contiguous(),
        "mlp.experts.down_proj_bias": torch.ones(count, d_model, dtype=experts.dtype),
    }


LAYOUTS = {
    "mixtral": Layout(_one_by_one("block_sparse_moe.experts", "w1", "w3", "w2")),
    "qwen2_moe": Layout(_one_by_one("mlp.experts", "gate_proj", "up_proj", "down_proj"), shared=True),
    "qwen3_moe": Layout(_one_by_one("mlp.experts", "gate_proj", "up_proj", "down_proj")),
    "qwen3_5_moe_text": Layout(_fused, gain_offset=1.0, shared=True),
    "gpt_oss": Layout(_interleaved),
}
"""By model_type."""


def expert_tables(
    layers: int, experts: int, neurons: int, *, dense_first: bool = False, shared: bool = False, seed: int = 0
) -> dict[Place, dict[str, int]]:
    """Class tables that all differ, of blocks of `neurons` neurons each.

    Args:
        layers, experts, neurons: sizes.
        dense_first: whether layer 0 is an MLP without experts.
        shared: whether layers of experts have a shared one too.
        seed: of the tables.
    """
    places: list[Place] = []
    for layer in range(layers):
        if dense_first and layer == 0:
            places.append((0, "mlp", None))
            continue
        places += [(layer, "expert", expert) for expert in range(experts)]
        places += [(layer, "shared_expert", None)] if shared else []
    generator = torch.Generator().manual_seed(seed)
    tables: dict[Place, dict[str, int]] = {}
    for place in places:
        chosen = torch.randint(len(CELLS), (neurons,), generator=generator).bincount(minlength=len(CELLS))
        tables[place] = dict(zip(CELLS, chosen.tolist(), strict=True))
    if len({tuple(table.values()) for table in tables.values()}) < len(tables):
        raise ValueError("two blocks have one class table: give more neurons or another seed")
    return tables


def plant_experts(folder: Path, model_type: str, tables: ExpertTables, *, d_model: int, seed: int = 0) -> Path:
    """Write a checkpoint in bf16 of one shard whose blocks have exactly these class tables; returns the folder.

    Args:
        folder: created.
        model_type: of `LAYOUTS`.
        tables: as `expert_tables` makes them.
        d_model: width of the residual stream.
        seed: equal seeds give equal files.
    """
    layout = LAYOUTS[model_type]
    generator = torch.Generator().manual_seed(seed)
    layers = 1 + max(layer for layer, _, _ in tables)
    tensors: Tensors = {}
    for layer in range(layers):
        stored_gain = (0.3 + 2.2 * torch.rand(d_model, generator=generator) - layout.gain_offset).to(torch.bfloat16)
        gain = stored_gain.double() + layout.gain_offset
        found = {
            place[1:]: plant_vectors(table, gain, torch.bfloat16, 0.03, generator)
            for place, table in tables.items()
            if place[0] == layer
        }
        named = {"post_attention_layernorm.weight": stored_gain, "input_layernorm.weight": stored_gain.clone()}
        named["self_attn.o_proj.weight"] = torch.zeros(d_model, d_model, dtype=torch.bfloat16)
        experts = [vectors for (component, _), vectors in found.items() if component == "expert"]
        if experts:
            named |= layout.store(torch.stack(experts))
            router = "block_sparse_moe.gate.weight" if model_type == "mixtral" else "mlp.gate.weight"
            named[router.replace("gate", "router") if model_type == "gpt_oss" else router] = torch.zeros(
                len(experts), d_model, dtype=torch.bfloat16
            )
        for component, path in (("mlp", "mlp"), ("shared_expert", "mlp.shared_expert")):
            if (component, None) in found:
                gate, w_in, w_out = found[component, None]
                named[f"{path}.gate_proj.weight"], named[f"{path}.up_proj.weight"] = gate, w_in
                named[f"{path}.down_proj.weight"] = w_out.T.contiguous()
        tensors |= {f"model.layers.{layer}.{name}": tensor.clone() for name, tensor in named.items()}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(_config(model_type, layout, tables, d_model), indent=2))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def _config(model_type: str, layout: Layout, tables: ExpertTables, d_model: int) -> dict[str, Any]:
    neurons = sum(next(iter(tables.values())).values())
    experts = 1 + max((expert for _, _, expert in tables if expert is not None), default=-1)
    expert_count = "num_local_experts" if model_type in ("mixtral", "gpt_oss") else "num_experts"
    sizes = {"hidden_size": d_model, "num_hidden_layers": 1 + max(layer for layer, _, _ in tables)}
    sizes |= {"intermediate_size": neurons, expert_count: experts, "num_experts_per_tok": 2}
    if model_type not in ("mixtral", "gpt_oss"):
        sizes |= {"moe_intermediate_size": neurons}
    if layout.shared:
        sizes |= {"shared_expert_intermediate_size": neurons}
    return {"model_type": model_type, "hidden_act": "silu", "rms_norm_eps": 1e-6, **sizes}
