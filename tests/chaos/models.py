"""What is swept: four small models of different layouts, 60 units in all, one of them a mixture of experts in units of two."""

from pathlib import Path
from typing import Any

UNITS = 60
MODELS = 4

_EXPERTS, _NEURONS, _D_MODEL = 6, 66, 32
MAX_UNIT_BYTES = 2 * 3 * _NEURONS * _D_MODEL * 2 + 2 * _D_MODEL
"""Two experts and the norm that they share; a whole layer of the other models."""


def write_models(parent: Path) -> list[Path]:
    """Their folders."""
    from tests.checkpoints.planted_experts import expert_tables, plant_experts
    from tests.checkpoints.tiny import tiny_checkpoint

    dense: dict[str, dict[str, Any]] = {
        "llama": {"num_hidden_layers": 16},
        "gpt2": {"n_layer": 12},
        "gemma2": {"num_hidden_layers": 12},
    }
    for seed, (model_type, layers) in enumerate(dense.items()):
        tiny_checkpoint(parent / model_type, model_type, seed=seed, **layers)
    tables = expert_tables(5, _EXPERTS, _NEURONS, shared=True, seed=3)
    experts = plant_experts(parent / "experts", "qwen2_moe", tables, d_model=_D_MODEL, seed=3)
    return [*(parent / model_type for model_type in dense), experts]
