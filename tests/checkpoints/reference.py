"""The oracle: METHOD sections 2 and 3 in float64 numpy, from the files, sharing nothing with the code under test."""

import json
from pathlib import Path

import numpy as np

from tests.checkpoints.raw_safetensors import read_float64
from tests.checkpoints.reference_families import BlockTensors, find_blocks

Array = np.ndarray
Key = tuple[int, str]
"""Layer within its stack and component: mlp, encoder_mlp or decoder_mlp."""


def reference_vectors(folder: Path, profile: str = "paper") -> dict[Key, tuple[Array | None, Array, Array]]:
    """Prepared (w_gate or None, w_in, w_out) of every block, each [d_mlp, d_model] float64; canonical sign not yet applied."""
    config = json.loads((folder / "config.json").read_text())
    blocks = find_blocks(config, read_float64(folder))
    return {key: _prepare(block, profile) for key, block in blocks.items()}


def reference_geometry(folder: Path, profile: str = "paper") -> dict[Key, dict[str, Array]]:
    """The numbers of every neuron of a checkpoint.

    Returns:
        For each (layer, component): cos_gate_in, cos_gate_out, cos_in_out, norm_gate, norm_in, norm_out (float64 [d_mlp];
        a cosine that does not exist is NaN, and so are the gate's numbers in plain blocks), sign (int8) and io_class
        (str or None).
    """
    return {key: neuron_numbers(*vectors) for key, vectors in reference_vectors(folder, profile).items()}


def neuron_numbers(w_gate: Array | None, w_in: Array, w_out: Array) -> dict[str, Array]:
    """The numbers of one block from its prepared vectors, each [d_mlp, d_model]."""
    plain = w_gate is None
    gate = np.full_like(w_in, np.nan) if w_gate is None else w_gate
    gate_in, gate_out, in_out = _cosine(gate, w_in), _cosine(gate, w_out), _cosine(w_in, w_out)
    sign = np.where(gate_in < 0, -1, 1).astype(np.int8)
    gate_in, gate_out = gate_in * sign, gate_out * sign
    classes = [_plain_class(a) for a in in_out] if plain else list(map(_gated_class, in_out, gate_out, gate_in))
    return {
        "cos_gate_in": gate_in,
        "cos_gate_out": gate_out,
        "cos_in_out": in_out,
        "norm_gate": np.linalg.norm(gate, axis=1),
        "norm_in": np.linalg.norm(w_in, axis=1),
        "norm_out": np.linalg.norm(w_out, axis=1),
        "sign": sign,
        "io_class": np.array(classes, dtype=object),
    }


def class_table(geometry: dict[Key, dict[str, Array]]) -> dict[Key, dict[str, int]]:
    """Neurons per class of every block; classes that do not occur are left out, and so are neurons without a class."""
    table = {}
    for key, numbers in geometry.items():
        names, counts = np.unique([name for name in numbers["io_class"] if name is not None], return_counts=True)
        table[key] = {str(name): int(count) for name, count in zip(names, counts, strict=True)}
    return table


def _prepare(block: BlockTensors, profile: str) -> tuple[Array | None, Array, Array]:
    w_gate, w_in, w_out = block.w_gate, block.w_in, block.w_out
    if block.norm == "none":
        return w_gate, w_in, w_out
    w_in = w_in * block.gain
    if w_gate is not None:
        w_gate = w_gate * block.gain
    if block.norm == "layer":
        w_in = w_in - w_in.mean(axis=1, keepdims=True)
        w_out = w_out - w_out.mean(axis=1, keepdims=True)
        if w_gate is not None and profile == "residual":
            w_gate = w_gate - w_gate.mean(axis=1, keepdims=True)
    if block.gain_after is not None and profile == "residual":
        w_out = w_out * block.gain_after
    return w_gate, w_in, w_out


def _cosine(x: Array, y: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        cosine = (x * y).sum(axis=1) / (np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1))
    exists = np.isfinite(x).all(axis=1) & np.isfinite(y).all(axis=1)
    return np.where(exists, cosine, np.nan)


def _q(cosine: float) -> int:
    return 1 if cosine > 0.5 else -1 if cosine < -0.5 else 0


def _plain_class(in_out: float) -> str | None:
    if np.isnan(in_out):
        return None
    return {1: "enrichment", 0: "orthogonal_output", -1: "depletion"}[_q(in_out)]


def _gated_class(in_out: float, gate_out: float, gate_in: float) -> str | None:
    if np.isnan([in_out, gate_out, gate_in]).any():
        return None
    a, b, c = _q(in_out), _q(gate_out), _q(gate_in)
    name = {
        (1, 1): "enrichment",
        (1, 0): "conditional_enrichment",
        (0, 1): "proportional_change",
        (0, 0): "orthogonal_output",
        (-1, 1): "depletion",
        (-1, 0): "conditional_depletion",
    }[a, abs(b)]
    typical = name == "orthogonal_output" or c == a * b
    return name if typical else f"atypical_{name}"
