"""Statistics of given pre-activations: as METHOD says, and the same however documents are batched, padded, cut and ordered."""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gated_ray.activations.formulas import formula_of
from gated_ray.activations.partial import part_tables
from gated_ray.activations.segments import LISTS, NO_TOKEN, segment_kernel
from gated_ray.activations.statistics import NeuronStatistics
from gated_ray.activations.tables import merged_tables
from gated_ray.errors import CorruptionError
from gated_ray.vocabulary import QUADRANTS, QUANTITIES
from tests.activations.plain_statistics import Document, plain_statistics

CPU = torch.device("cpu")
PLACE = (0, "mlp", None)
SILU = formula_of("act(gate) * in", "silu")
RELU = formula_of("act(gate) * in", "relu")

VECTOR = 16
"""Neurons: torch computes what does not fill a vector of the CPU by other instructions, whose last digit may differ."""

Documents = list[tuple[torch.Tensor, torch.Tensor]]
"""g and u of each, (tokens, neurons)."""


def made_up(lengths: Sequence[int], neurons: int, seed: int) -> Documents:
    """Values with ties, zeros of both signs, and some that are not finite."""
    generator = torch.Generator().manual_seed(seed)

    def values(length: int) -> torch.Tensor:
        coarse = torch.randint(-4, 5, (length, neurons), generator=generator) / 2
        fine = torch.randn(length, neurons, generator=generator)
        drawn = torch.where(torch.rand(length, neurons, generator=generator) < 0.5, coarse, fine)
        odd = torch.rand(length, neurons, generator=generator)
        drawn = torch.where(odd < 0.02, torch.nan, drawn)
        return torch.where((odd >= 0.02) & (odd < 0.04), -0.0, drawn)

    return [(values(length), values(length)) for length in lengths]


def statistics_of(
    documents: Documents, rows: Sequence[int], batches: Sequence[Sequence[int]], top: int, formula=SILU, fused=False
) -> NeuronStatistics:
    """Taken batch by batch; a batch names documents by their place in `documents`."""
    kernel = segment_kernel(formula, fused=fused)
    statistics = NeuronStatistics.empty(documents[0][0].shape[1], top, CPU)
    for batch in batches:
        longest = max(len(documents[number][0]) for number in batch)
        g, u = (torch.full((len(batch), longest, statistics.tokens.shape[0]), 7.0) for _ in range(2))  # padding is loud
        position = torch.full((len(batch), longest), NO_TOKEN)
        for row, number in enumerate(batch):
            length = len(documents[number][0])
            g[row, :length], u[row, :length] = documents[number]
            position[row, :length] = torch.arange(length)
        tokens = sum(len(documents[number][0]) for number in batch)
        statistics.add(kernel(g, u, position), torch.tensor([rows[number] for number in batch]), tokens)
    return statistics


def tables_of(shards: Sequence[NeuronStatistics], signs: torch.Tensor, top: int) -> tuple[pa.Table, pa.Table]:
    parts = (dict(part_tables({"p": (PLACE,)}, {PLACE: shard}, {PLACE: signs}, top))["p"] for shard in shards)
    return merged_tables(parts, top, 0)


@pytest.mark.parametrize("formula", [SILU, RELU], ids=["silu", "relu"])
@pytest.mark.parametrize("top", [1, 3, 16])
def test_as_the_method_says(formula, top: int) -> None:
    """Fewer documents than entries, documents of one token, ReLU's zeros: each is ranked by the lower row."""
    lengths, neurons = [5, 1, 7, 3, 1, 6, 2], 9
    documents, rows = made_up(lengths, neurons, seed=1), [10, 3, 4, 20, 21, 8, 5]
    signs = torch.tensor([1, -1, 1, -1, 1, 1, -1, 1, -1], dtype=torch.int8)
    statistics = statistics_of(documents, rows, [[0, 2, 5], [1, 4], [3, 6]], top, formula)
    activations, examples = tables_of([statistics], signs, top)
    found = activations.to_pylist()
    for neuron in range(neurons):
        plain = plain_statistics(
            [
                Document(row, range(len(g)), g.double().numpy(), u.double().numpy())
                for row, (g, u) in zip(rows, documents, strict=True)
            ],
            neuron,
            lambda g: formula.gate_factor(torch.from_numpy(g)).numpy(),
            lambda u: u,
            int(signs[neuron]),
            top,
        )
        row = found[neuron]
        assert (row["neuron"], row["sign"], row["tokens"]) == (neuron, signs[neuron], plain.tokens)
        assert row["nan_tokens"] == plain.nan_tokens
        assert row["gate_positive_freq"] == plain.open_gate / plain.tokens
        for quadrant in QUADRANTS:
            assert row[f"{quadrant}_freq"] == plain.inside[quadrant] / plain.tokens
            for name in QUANTITIES:
                mean = row[f"{quadrant}_mean_{name}"]
                np.testing.assert_allclose(np.nan if mean is None else mean, plain.means[quadrant, name], rtol=1e-6)
        mine = [each for each in examples.to_pylist() if each["neuron"] == neuron]
        for quadrant, name in LISTS:
            ours = [each for each in mine if (each["quadrant"], each["quantity"]) == (quadrant, name)]
            theirs = plain.examples[quadrant, name]
            assert [each["rank"] for each in ours] == list(range(len(theirs)))
            assert [(each["document"], each["position"]) for each in ours] == [each[1:] for each in theirs]
            np.testing.assert_allclose([each["value"] for each in ours], [each[0] for each in theirs], rtol=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_batches_shards_and_order_change_nothing(data: st.DataObject) -> None:
    lengths = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=9))
    documents = made_up(lengths, VECTOR, seed=data.draw(st.integers(0, 5)))
    rows = data.draw(st.permutations(range(len(lengths))))
    signs, top = torch.tensor([1, -1] * (VECTOR // 2), dtype=torch.int8), data.draw(st.integers(1, 4))
    whole = tables_of([statistics_of(documents, rows, [range(len(lengths))], top)], signs, top)
    order = data.draw(st.permutations(range(len(lengths))))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(lengths)), max_size=4)) | {0, len(lengths)})
    batches = [order[begin:end] for begin, end in pairwise(cuts)]
    shards = data.draw(st.sampled_from([[batches], [[batch] for batch in batches]]))
    ours = tables_of([statistics_of(documents, rows, shard, top) for shard in shards], signs, top)
    assert_same(ours, whole)


def assert_same(ours: tuple[pa.Table, pa.Table], theirs: tuple[pa.Table, pa.Table]) -> None:
    """Everything equal, but for the last digits of means."""
    assert ours[1].equals(theirs[1])
    for name in ours[0].column_names:
        if "_mean_" in name:
            one, other = (table[name].to_numpy() for table in (ours[0], theirs[0]))
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-15, equal_nan=True)
        else:
            assert ours[0][name].equals(theirs[0][name]), name


@pytest.mark.slow  # compiling takes half a minute
def test_the_compiled_statistics_are_the_same() -> None:
    documents = made_up([5, 9, 1, 9, 3], 20 * VECTOR, seed=3)
    signs = torch.ones(20 * VECTOR, dtype=torch.int8)
    tables = [
        tables_of([statistics_of(documents, range(5), [[0, 1, 3], [2, 4]], 3, fused=fused)], signs, 3)
        for fused in (True, False)
    ]
    assert_same(*tables)


def test_batches_of_any_shape_are_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """With torch's own limit all is run as it is after 8 forms, and a whole batch in many passes. Here that would raise."""
    torch.compiler.reset()
    plain = partial(torch.compile, backend="eager", fullgraph=True)
    monkeypatch.setattr(torch, "compile", plain)
    kernels = [segment_kernel(formula, fused=True) for formula in (SILU, RELU, formula_of("act(gate) * in", "gelu"))]
    for documents, tokens in [(4, 9), (1, 9), (9, 9), (4, 1), (1, 1), (7, 3), (5, 5)]:
        position = torch.arange(tokens).repeat(documents, 1)
        for kernel in kernels:
            for width in (2, 1):  # a module that gives gate and in together, or two
                given = torch.randn(documents, tokens, width * VECTOR)
                assert kernel(given[..., :VECTOR], given[..., -VECTOR:], position).counts.shape[1] == documents
    torch.compiler.reset()


def test_what_overflows_is_counted_and_in_no_mean() -> None:
    """Though gate and in are finite by themselves."""
    documents = [(torch.full((3, VECTOR), 1e30), torch.tensor([1e30, 1.0, 2.0])[:, None].expand(3, VECTOR))]
    activations, _ = tables_of([statistics_of(documents, [0], [[0]], 1)], torch.ones(VECTOR, dtype=torch.int8), 1)
    row = activations.to_pylist()[0]
    assert (row["nan_tokens"], row["gate+_in+_mean_in"]) == (1, 1.5)
    assert row["gate+_in+_mean_post"] == pytest.approx(1.5e30)


def test_shards_with_other_signs_do_not_belong_together() -> None:
    shard = statistics_of(made_up([3], VECTOR, seed=1), [0], [[0]], 1)
    parts = [
        dict(part_tables({"p": (PLACE,)}, {PLACE: shard}, {PLACE: signs}, 1))["p"]
        for signs in (torch.ones(VECTOR, dtype=torch.int8), -torch.ones(VECTOR, dtype=torch.int8))
    ]
    with pytest.raises(CorruptionError, match="other neurons or signs"):
        merged_tables(parts, 1, 6)


def test_a_sum_of_many_small_values_keeps_its_digits() -> None:
    """Of 100,000 equal tokens in float32 sums the mean would be off by a percent or so."""
    value = torch.tensor(0.1)
    documents = [(torch.full((2_000, 1), 1.0), value.expand(2_000, 1))] * 50
    statistics = statistics_of(documents, range(50), [range(25), range(25, 50)], 1)
    activations, _ = tables_of([statistics], torch.ones(1, dtype=torch.int8), 1)
    assert activations["tokens"].to_pylist() == [100_000]
    np.testing.assert_allclose(activations["gate+_in+_mean_in"].to_numpy(), float(value), rtol=1e-12)


def test_no_tokens_no_numbers() -> None:
    statistics = NeuronStatistics.empty(2, 3, CPU)
    activations, examples = tables_of([statistics], torch.tensor([1, -1], dtype=torch.int8), 3)
    assert examples.num_rows == 0
    assert activations["tokens"].to_pylist() == [0, 0]
    assert activations["gate_positive_freq"].null_count == 2
    assert all(activations[name].null_count == 2 for name in activations.column_names if "_mean_" in name)
