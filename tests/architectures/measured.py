"""The numbers of every block of a checkpoint as the code finds them, and the same by hand in float64."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from gated_ray.architectures.finding import Architecture, find_architecture
from gated_ray.measurement import load_block, measure_block
from gated_ray.settings import ProfileSettings
from gated_ray.sources.checkpoint import open_checkpoint, open_origin
from tests.checkpoints.raw_models import RawModel
from tests.checkpoints.reference import neuron_numbers

Key = tuple[int, str, int | None]
"""Layer, component, expert."""

COLUMNS = ("cos_gate_in", "cos_gate_out", "cos_in_out", "norm_gate", "norm_in", "norm_out", "sign")
TOLERANCE = 3e-6
"""METHOD section 2, of cosines; of norms relative to them."""


def architecture_of(model: RawModel, folder: Path, extra: Path | None = None) -> Architecture:
    return find_architecture(open_checkpoint(str(model.write(folder))), None if extra is None else str(extra))


def measured(
    model: RawModel, folder: Path, profile: str = "residual", extra: Path | None = None
) -> dict[Key, pa.Table]:
    """The neurons table of each block."""
    found = architecture_of(model, folder, extra)
    origin = open_origin(open_checkpoint(str(folder)).location)
    settings = ProfileSettings(name=profile, weights=profile, regions="none")
    return {
        (block.layer, block.component, block.expert): measure_block(
            load_block(origin, block), settings, torch.device("cpu")
        )[0]
        for block in found.blocks
    }


def vectors(
    model: RawModel,
    layer: str,
    path: str = "mlp",
    *,
    pre: str | None = "post_attention_layernorm",
    posts: Sequence[str] = (),
    norm: str = "rms",
    plus: float = 0.0,
    profile: str = "residual",
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Prepared gate, in and out of a block of gate_proj, up_proj and down_proj, by METHOD section 2.

    Args:
        layer: ``model.layers.0``.
        path: of the module within it.
        pre, posts: norms before and after.
        plus: 1 where norms multiply by one plus their weight.
    """
    gate, w_in, out = (model[f"{layer}.{path}.{name}_proj.weight"] for name in ("gate", "up", "down"))
    return prepared(model, layer, (gate, w_in, out.T), pre=pre, posts=posts, norm=norm, plus=plus, profile=profile)


def prepared(
    model: RawModel,
    layer: str,
    raw: tuple[np.ndarray, np.ndarray, np.ndarray],
    *,
    pre: str | None,
    posts: Sequence[str],
    norm: str,
    plus: float,
    profile: str,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same from stored vectors, one neuron a row."""
    gate, w_in, out = raw
    if pre is not None:
        gain = model[f"{layer}.{pre}.weight"] + plus
        gate, w_in = gate * gain, w_in * gain
    if norm == "layer":
        w_in, out = (each - each.mean(1, keepdims=True) for each in (w_in, out))
        if profile == "residual":
            gate = gate - gate.mean(1, keepdims=True)
    if profile == "residual":
        for post in posts:
            out = out * (model[f"{layer}.{post}.weight"] + plus)
    return gate, w_in, out


def assert_numbers(
    found: Mapping[Key, pa.Table], expected: Mapping[Key, tuple[np.ndarray, np.ndarray, np.ndarray]]
) -> None:
    """That the blocks are these and no others, and their numbers those of these vectors."""
    assert list(found) == list(expected)
    for key, raw in expected.items():
        numbers = neuron_numbers(*raw)
        for column in COLUMNS:
            values = found[key][column].to_numpy().astype(np.float64)
            relative = TOLERANCE if column.startswith("norm") else 0
            np.testing.assert_allclose(
                values, numbers[column], rtol=relative, atol=TOLERANCE, err_msg=f"{key} {column}"
            )
        assert found[key]["io_class"].to_pylist() == list(numbers["io_class"])


def assert_same(found: Mapping[Key, pa.Table], other: Mapping[Key, pa.Table]) -> None:
    """That two checkpoints have the same blocks and the same numbers, to the last bit."""
    assert list(found) == list(other)
    for key, table in found.items():
        assert table.equals(other[key]), key
