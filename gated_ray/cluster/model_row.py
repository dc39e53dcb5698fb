"""The row of the models table, but for what the units will tell."""

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

import torch

from gated_ray.architectures.finding import Architecture
from gated_ray.neurons.classes import THRESHOLD
from gated_ray.settings import ProfileSettings
from gated_ray.sources.checkpoint import Checkpoint


def model_row(checkpoint: Checkpoint, architecture: Architecture, profile: ProfileSettings) -> dict[str, Any]:
    """What the config, the headers and the settings tell of a model, under the names of schema `MODELS`."""
    identity = profile.identity()
    blocks = architecture.blocks
    experts = [block.expert + 1 for block in blocks if block.expert is not None]
    said = checkpoint.config.get("model_type")
    return {
        "source": checkpoint.location.kind,
        "reference": checkpoint.reference.text,
        "location": checkpoint.location.address,
        "requested_revision": checkpoint.reference.revision,
        "model_type": said if isinstance(said, str) else None,
        "rule": architecture.model_type,
        "resolved_by": architecture.resolved_by,
        "gated": all(block.gated for block in blocks),
        "components": sorted({block.component for block in blocks}),
        "experts": max(experts, default=None),
        "activation": _each(block.activation for block in blocks),
        "product": _each(block.product for block in blocks),
        "biases": sorted({bias.role for block in blocks for bias in block.biases}),
        "norm": _each(block.norm for block in blocks),
        "d_model": max(block.d_model for block in blocks),
        "d_mlp": max(block.neurons for block in blocks),
        "left_out": list(architecture.left_out),
        "caveat": architecture.caveat,
        "dtypes": sorted({part.record.dtype for block in blocks for part in block.slices}),
        "quantization": _each(block.format for block in blocks),
        "weights": identity["weights"],
        "regions": identity["regions"],
        "pairs": identity["pairs"],
        "seed": identity["seed"],
        "threshold": THRESHOLD,
        "measure_version": identity["measure_version"],
        "gated_ray_version": version("gated-ray"),
        "torch_version": torch.__version__,
    }


def _each(values: Iterable[str | None]) -> list[str]:
    """What blocks say, each once."""
    return sorted({value for value in values if value})
