"""The comparison passes what is right and fails on every way of reading the weights wrong that we know of."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest
import torch

from tests.conformance import handmade_found
from tests.conformance.compare import Found, check_block, check_cosines, match_blocks
from tests.conformance.formulas import evaluate
from tests.conformance.handmade_found import cosine_columns
from tests.conformance.live_blocks import LiveBlock, live_blocks
from tests.conformance.tiny_models import tiny_inputs, tiny_model

CASES = ["llama", "gemma2", "cohere", "mixtral", "gpt_oss"]


@cache
def blocks(case: str) -> tuple[list[LiveBlock], list[Found]]:
    model = tiny_model(case)
    live = live_blocks(model, tiny_inputs(case, model))
    return live, getattr(handmade_found, case)(model)


def first(case: str) -> tuple[LiveBlock, Found]:
    live, found = blocks(case)
    return live[0], found[0]


@pytest.mark.parametrize("case", CASES)
def test_right_blocks_pass_and_match_their_live_ones(case: str) -> None:
    live, found = blocks(case)
    pairs = match_blocks(live, found)
    assert [(live[index].layer, live[index].expert) for index in pairs] == [
        (found[index].layer, found[index].expert) for index in pairs.values()
    ]
    for index, other in pairs.items():
        check_block(live[index], found[other])
        check_cosines(found[other], cosine_columns(found[other]))


def swapped(found: Found) -> Found:
    return replace(
        found, w_gate=found.w_in, w_in=found.w_gate, folded_gate=found.folded_in, folded_in=found.folded_gate
    )


def interleaved(found: Found) -> Found:
    fused, folded = torch.cat([found.w_gate, found.w_in]), torch.cat([found.folded_gate, found.folded_in])
    return replace(found, w_gate=fused[::2], w_in=fused[1::2], folded_gate=folded[::2], folded_in=folded[1::2])


def rows_for_columns(found: Found) -> Found:
    neurons, d_model = found.w_out.shape
    transposed = found.w_out.T.reshape(neurons, d_model)
    return replace(found, w_out=transposed, residual_out=transposed * (found.residual_out / found.w_out))


def neurons_in_another_order(found: Found) -> Found:
    return replace(found, w_out=found.w_out.roll(1, 0), residual_out=found.residual_out.roll(1, 0))


def another_activation(found: Found) -> Found:
    return replace(found, activation="gelu")


def another_product(found: Found) -> Found:
    return replace(found, product="act(gate) * (in + 2)")


def unfolded(found: Found) -> Found:
    return replace(found, folded_gate=found.w_gate, folded_in=found.w_in)


def gain_less_one(found: Found) -> Found:
    """w where the model computes 1 + w, or the other way round."""
    return replace(found, folded_gate=found.folded_gate - found.w_gate, folded_in=found.folded_in - found.w_in)


def one_entry_off(found: Found) -> Found:
    folded_in = found.folded_in.clone()
    folded_in[-1, -1] += 1e-6
    return replace(found, folded_in=folded_in)


def centring_flipped(found: Found) -> Found:
    return replace(found, folded_gate=found.folded_gate - found.folded_gate.mean(-1, keepdim=True) + 0.01)


def out_negated(found: Found) -> Found:
    return replace(found, residual_out=-found.residual_out)


def out_with_a_gain_too_many(found: Found) -> Found:
    return replace(found, residual_out=found.residual_out * torch.linspace(0.5, 1.5, found.w_out.shape[1]).double())


def one_neuron_out_longer(found: Found) -> Found:
    lengths = torch.ones(len(found.w_out), 1, dtype=torch.float64)
    lengths[0] = 2
    return replace(found, residual_out=found.residual_out * lengths)


def a_norm_over_neurons(found: Found) -> Found:
    return replace(found, neuron_gain=torch.ones(len(found.w_out), dtype=torch.float64))


@pytest.mark.parametrize(
    "corrupt",
    [
        swapped,
        interleaved,
        rows_for_columns,
        neurons_in_another_order,
        another_activation,
        another_product,
        unfolded,
        gain_less_one,
        one_entry_off,
        centring_flipped,
        out_negated,
        out_with_a_gain_too_many,
        one_neuron_out_longer,
        a_norm_over_neurons,
    ],
)
@pytest.mark.parametrize("case", CASES)
def test_a_corrupted_block_fails(case: str, corrupt: Callable[[Found], Found]) -> None:
    live, found = first(case)
    check_block(live, found)
    with pytest.raises(AssertionError, match=r"layers\.0"):
        check_block(live, corrupt(found))


def test_the_norm_after_the_block_must_be_in_what_is_written() -> None:
    live, found = first("gemma2")
    with pytest.raises(AssertionError, match="residual_out of single neurons"):
        check_block(live, replace(found, residual_out=found.w_out))


def test_what_is_written_must_be_centred_where_readers_centre() -> None:
    live, found = first("cohere")
    with pytest.raises(AssertionError, match="residual_out of single neurons"):
        check_block(live, replace(found, residual_out=found.w_out))


@pytest.mark.parametrize("bias", ["b_gate", "b_in", "b_out"])
def test_a_missing_bias_fails(bias: str) -> None:
    live, found = first("gpt_oss")
    with pytest.raises(AssertionError, match="output for h"):
        check_block(live, replace(found, **{bias: None}))


def test_shifted_experts_do_not_pass_for_each_other() -> None:
    live, found = blocks("mixtral")
    with pytest.raises(AssertionError, match="output for h"):
        check_block(live[0], found[1])


@pytest.mark.parametrize("change", ["missing", "twice", "another layer", "another kind"])
def test_matching_needs_one_block_for_each(change: str) -> None:
    live, found = blocks("mixtral")
    changed = {
        "missing": found[1:],
        "twice": [found[0], *found],
        "another layer": [replace(found[0], layer=1), *found[1:]],
        "another kind": [replace(found[0], kind="dense"), *found[1:]],
    }[change]
    with pytest.raises(AssertionError, match="found blocks reproduce it"):
        match_blocks(live, changed)


def test_matching_leaves_no_found_block_over() -> None:
    live, found = blocks("mixtral")
    with pytest.raises(AssertionError, match="no live block is layer 0 expert 0"):
        match_blocks(live[1:], found)


@pytest.mark.parametrize("column", ["cos_gate_in", "cos_gate_out", "cos_in_out", "sign"])
def test_a_wrong_cosine_or_sign_fails(column: str) -> None:
    _, found = first("gemma2")
    columns = cosine_columns(found)
    columns[column][3] = -columns[column][3] if column == "sign" else columns[column][3] + 1e-5
    with pytest.raises(AssertionError, match=column):
        check_cosines(found, columns)


def test_formulas_are_evaluated_as_written() -> None:
    gate, up = torch.tensor([[-1.0, 3.0]]).double(), torch.tensor([[2.0, -9.0]]).double()
    got = evaluate("min(gate, limit) * (clip(in, 4) + 1) / 2", "silu", gate, up, {"limit": 2.0})
    assert torch.equal(got, torch.tensor([[-1.5, -3.0]]).double())


@pytest.mark.parametrize("formula", ["act(gate) * up", "open(gate)", "gate ** 2", "gate.numpy()"])
def test_a_formula_with_something_unknown_is_refused(formula: str) -> None:
    with pytest.raises(AssertionError, match="not understood"):
        evaluate(formula, "silu", torch.ones(1, 1), torch.ones(1, 1), {})
