"""Statistics of real models of several layouts, beside float64: its inputs of each block, the weights of the files, numpy."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import PreTrainedModel

from gated_ray.vocabulary import QUADRANTS, QUANTITIES
from tests.activations.plain_statistics import Document, Floats, Neuron, plain_statistics
from tests.activations.taking import Taker
from tests.checkpoints.tiny import tiny_checkpoint
from tests.conformance.tiny_models import save_tiny

TOP = 3
NEAR_ZERO = 1e-5
"""A value of which float32 may get the sign wrong."""

Tensors = Mapping[str, torch.Tensor]
Reads = tuple[Floats, Floats, Floats | float, Floats | float]
"""w_gate and w_in, (neurons, d_model), and their biases."""


def silu(x: Floats) -> Floats:
    return x / (1 + np.exp(-x))


def gelu(x: Floats) -> Floats:
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def gelu_tanh(x: Floats) -> Floats:
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def relu(x: Floats) -> Floats:
    return np.maximum(x, 0.0)


def gpt_oss_gate(x: Floats) -> Floats:
    return np.minimum(x, 7.0) / (1 + np.exp(-1.702 * np.minimum(x, 7.0)))


@dataclass(frozen=True)
class Layout:
    """How to save a model and how to read its blocks without any of the product's code.

    Attributes:
        save: makes the checkpoint and returns the live model.
        act: of the gate.
        module: path of what is given a block's input, with ``{layer}``.
        reads: of (tensors, layer, expert), the weights as the files have them.
        line: what in is multiplied as.
    """

    save: Callable[[Path], PreTrainedModel]
    act: Callable[[Floats], Floats]
    module: str
    reads: Callable[[Tensors, int, int | None], Reads]
    line: Callable[[Floats], Floats] = lambda u: u
    experts: int = 0


def array(tensor: torch.Tensor) -> Floats:
    return tensor.double().numpy()


def separate(tensors: Tensors, layer: int, _: int | None) -> Reads:
    at = f"model.layers.{layer}.mlp."
    gate, up = (tensors[f"{at}{name}_proj.weight"] for name in ("gate", "up"))
    biases = (tensors.get(f"{at}{name}_proj.bias", torch.zeros(1)) for name in ("gate", "up"))
    return array(gate), array(up), *map(array, biases)


def fused(name: str) -> Callable[[Tensors, int, int | None], Reads]:
    def reads(tensors: Tensors, layer: int, _: int | None) -> Reads:
        gate, up = array(tensors[name.format(layer=layer)]).reshape(2, -1, 32)
        return gate, up, 0.0, 0.0

    return reads


def mixtral(tensors: Tensors, layer: int, expert: int | None) -> Reads:
    at = f"model.layers.{layer}.block_sparse_moe.experts.{expert}."
    return array(tensors[f"{at}w1.weight"]), array(tensors[f"{at}w3.weight"]), 0.0, 0.0


def gpt_oss(tensors: Tensors, layer: int, expert: int | None) -> Reads:
    at = f"model.layers.{layer}.mlp.experts.gate_up_proj"
    weight, bias = array(tensors[at])[expert], array(tensors[f"{at}_bias"])[expert]
    return weight[:, 0::2].T, weight[:, 1::2].T, bias[0::2], bias[1::2]


def llama(**overrides: Any) -> Callable[[Path], PreTrainedModel]:
    return lambda folder: tiny_checkpoint(folder, "llama", **overrides)


def tiny(case: str) -> Callable[[Path], PreTrainedModel]:
    return lambda folder: save_tiny(case, folder)


LAYOUTS = {
    "swiglu": Layout(llama(), silu, "model.layers.{layer}.mlp", separate),
    "reglu": Layout(llama(hidden_act="relu"), relu, "model.layers.{layer}.mlp", separate),
    "geglu_tanh": Layout(
        lambda folder: tiny_checkpoint(folder, "gemma2"), gelu_tanh, "model.layers.{layer}.mlp", separate
    ),
    "geglu": Layout(llama(hidden_act="gelu"), gelu, "model.layers.{layer}.mlp", separate),
    "biased": Layout(llama(mlp_bias=True), silu, "model.layers.{layer}.mlp", separate),
    "fused": Layout(
        tiny("phi3"), silu, "model.layers.{layer}.mlp", fused("model.layers.{layer}.mlp.gate_up_proj.weight")
    ),
    "fused_bidirectional": Layout(
        tiny("modernbert"), gelu, "model.layers.{layer}.mlp", fused("model.layers.{layer}.mlp.Wi.weight")
    ),
    "experts": Layout(tiny("mixtral"), silu, "model.layers.{layer}.mlp.experts", mixtral, experts=4),
    "biased_interleaved_experts": Layout(
        tiny("gpt_oss"),
        gpt_oss_gate,
        "model.layers.{layer}.mlp.experts",
        gpt_oss,
        lambda u: np.clip(u, -7, 7) + 1,
        experts=4,
    ),
}


def documents_of(vocabulary: int) -> list[list[int]]:
    generator = torch.Generator().manual_seed(11)
    lengths = [6, 1, 9, 6, 4, 1, 12, 3]
    return [torch.randint(vocabulary, (length,), generator=generator).tolist() for length in lengths]


@torch.no_grad()
def inputs_of(model: PreTrainedModel, path: str, documents: list[list[int]]) -> list[tuple[Any, ...]]:
    """What the module is given for each document, alone and in float64."""
    model = model.double().eval()
    for module in model.modules():
        if getattr(getattr(module, "config", None), "_experts_implementation", None):
            module.config._experts_implementation = "eager"
    given: list[tuple[Any, ...]] = []
    handle = model.get_submodule(path).register_forward_pre_hook(lambda _, args: given.append(args))
    for document in documents:
        model(input_ids=torch.tensor([document]))
    handle.remove()
    return given


def blocks_of(
    model: PreTrainedModel, layout: Layout, tensors: Tensors, layer: int, rows: list[list[int]]
) -> dict[Any, list[Document]]:
    """Documents by expert, with the tokens that are routed to it; by None without experts."""
    found: dict[Any, list[Document]] = defaultdict(list)
    for row, args in enumerate(inputs_of(model, layout.module.format(layer=layer), rows)):
        x = array(args[0].reshape(-1, args[0].shape[-1]))
        for expert in range(layout.experts) if layout.experts else (None,):
            w_gate, w_in, gate_bias, in_bias = layout.reads(tensors, layer, expert)
            taken = range(len(x)) if expert is None else (args[1] == expert).any(-1).nonzero()[:, 0].tolist()
            found[expert].append(Document(row, taken, x[taken] @ w_gate.T + gate_bias, x[taken] @ w_in.T + in_bias))
    return found


@pytest.mark.parametrize("name", LAYOUTS)
def test_as_in_float64(name: str, tmp_path: Path) -> None:
    layout = LAYOUTS[name]
    model = layout.save(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    taker = Taker(tmp_path, top=TOP)
    documents = documents_of(taker.runner.vocabulary)
    activations, examples = taker.tables(documents, cuts=[3], most_tokens=20)
    rows = {(each["layer"], each["expert"], each["neuron"]): each for each in activations.to_pylist()}
    ranked = defaultdict(list)
    for each in examples.to_pylist():
        ranked[each["layer"], each["expert"], each["neuron"], each["quadrant"], each["quantity"]].append(each)
    total = sum(map(len, documents))
    checked = 0
    for layer in range(model.config.num_hidden_layers):
        for expert, of_block in blocks_of(model, layout, tensors, layer, documents).items():
            w_gate, *_ = layout.reads(tensors, layer, expert)
            for neuron in range(len(w_gate)):
                row = rows.pop((layer, expert, neuron))
                plain = plain_statistics(of_block, neuron, layout.act, layout.line, row["sign"], TOP)
                assert row["tokens"] == plain.tokens
                assert row["routed_share"] == (None if expert is None else plain.tokens / total)
                doubtful = any((np.abs([d.g[:, neuron], d.u[:, neuron]]) < NEAR_ZERO).any() for d in of_block)
                if not doubtful:
                    check_numbers(row, plain)
                    check_examples(ranked, (layer, expert, neuron), plain)
                    checked += 1
    assert not rows
    assert checked >= 0.9 * activations.num_rows


def check_numbers(row: Mapping[str, Any], plain: Neuron) -> None:
    if not plain.tokens:
        assert row["gate_positive_freq"] is None
        return
    assert row["gate_positive_freq"] == plain.open_gate / plain.tokens
    for quadrant in QUADRANTS:
        assert row[f"{quadrant}_freq"] == plain.inside[quadrant] / plain.tokens
        for quantity in QUANTITIES:
            mean = row[f"{quadrant}_mean_{quantity}"]
            expected = plain.means[quadrant, quantity]
            np.testing.assert_allclose(np.nan if mean is None else mean, expected, rtol=1e-4, atol=2e-5)


def check_examples(ranked: Mapping[Any, list[dict[str, Any]]], place: tuple[Any, ...], plain: Neuron) -> None:
    for (quadrant, quantity), theirs in plain.examples.items():
        ours = ranked.get((*place, quadrant, quantity), [])
        assert len(ours) == len(theirs)
        values = np.array([each[0] for each in theirs])
        np.testing.assert_allclose([each["value"] for each in ours], values, rtol=1e-4, atol=2e-5)
        gaps = np.abs(np.diff(np.abs(values)))
        if len(gaps) and gaps.min() > 1e-4:  # else rounding may swap them; the last may have been swapped out
            named = [(each["document"], each["position"]) for each in ours[:-1]]
            assert named == [each[1:] for each in theirs[:-1]]
