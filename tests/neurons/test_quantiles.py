"""Counts in narrow bins against numpy's quantiles of the values themselves."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gated_ray.neurons.quantiles import CosineCounts, batch_error

CPU = torch.device("cpu")
BIN = 5e-5


def _counted(tile: np.ndarray, own: list[int], *, absolute: bool) -> tuple[float, ...]:
    counts = CosineCounts(CPU, absolute=absolute)
    counts.add(torch.from_numpy(tile).float(), torch.tensor(own))
    return counts.region(0.05)


def _expected(tile: np.ndarray, own: list[int], *, absolute: bool) -> np.ndarray:
    others = np.delete(
        tile.astype(np.float32).ravel(), [row * tile.shape[1] + column for row, column in enumerate(own)]
    )
    if absolute:
        return np.quantile(np.abs(others), [0.95])
    return np.quantile(others, [0.025, 0.975])


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.integers(1, 12), st.integers(2, 300), st.booleans(), st.integers(0, 2**31), st.floats(0.01, 1.0))
def test_within_a_bin_of_numpy(rows: int, columns: int, absolute: bool, seed: int, spread: float) -> None:
    """However few and far apart the values are."""
    generator = np.random.default_rng(seed)
    tile = np.clip(generator.normal(scale=spread, size=(rows, columns)), -1, 1)
    own = generator.integers(0, columns, rows).tolist()
    found = _counted(tile, own, absolute=absolute)
    np.testing.assert_allclose(found, _expected(tile, own, absolute=absolute), rtol=0, atol=BIN + 1e-6)


@pytest.mark.parametrize("absolute", [False, True])
def test_own_column_does_not_count(absolute: bool) -> None:
    tile = np.full((4, 200), 0.125)
    tile[np.arange(4), [0, 7, 7, 199]] = -1.0
    found = _counted(tile, [0, 7, 7, 199], absolute=absolute)
    np.testing.assert_allclose(found, 0.125, atol=BIN)


def test_ends_of_the_range_count() -> None:
    """Float32 unit vectors may have a cosine of 1.0000002."""
    tile = np.array([[0.5, -1.0000002, 1.0000002]])
    np.testing.assert_allclose(_counted(tile, [0], absolute=False), [-0.95, 0.95], atol=BIN)
    np.testing.assert_allclose(_counted(tile, [0], absolute=True), [1.0], atol=BIN)


def test_tiles_add_up_to_the_whole() -> None:
    tile = np.random.default_rng(0).normal(scale=0.1, size=(30, 500))
    own = list(range(30))
    whole = _counted(tile, own, absolute=False)
    total = CosineCounts(CPU, absolute=False)
    for begin in range(0, 30, 7):
        part = CosineCounts(CPU, absolute=False)
        part.add(torch.from_numpy(tile[begin : begin + 7]).float(), torch.tensor(own[begin : begin + 7]))
        total.merge(part)
    assert total.region(0.05) == whole


def test_more_equal_values_than_float32_can_count() -> None:
    """Single tiles are counted in float32, exact to 2**24; their sum is not bound by that."""
    tile = torch.full((1, 1 << 20), 0.25)
    one = CosineCounts(CPU, absolute=False)
    one.add(tile, torch.tensor([0]))
    other = CosineCounts(CPU, absolute=False)
    other.add(torch.tensor([[0.0, -0.5]]), torch.tensor([0]))
    total = CosineCounts(CPU, absolute=False)
    for _ in range(40):
        total.merge(one)
    total.merge(other)
    # One value of 2**20 * 40 is -0.5: rank 0, whose share is below 1e-7.
    low, _ = total.region(2e-9)
    assert low < 0.2
    low, _ = total.region(2e-7)
    assert low == pytest.approx(0.25, abs=BIN)


def test_batch_error_is_the_standard_error_of_the_mean_of_batches() -> None:
    batches = np.random.default_rng(0).normal(scale=[0.1, 0.3], size=(40, 2))
    expected = batches[:, 1].std(ddof=1) / 40**0.5
    assert batch_error([tuple(batch) for batch in batches.tolist()], unseen=1.0) == pytest.approx(expected)
    assert batch_error([tuple(batch) for batch in batches.tolist()], unseen=0.25) == pytest.approx(expected / 2)
    assert batch_error([tuple(batch) for batch in batches.tolist()], unseen=0.0) == 0.0
