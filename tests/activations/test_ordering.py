"""The random order: as published, uniform, and the same however it is computed."""

import numpy as np
import pytest

from gated_ray.activations.ordering import Place, keys, place_of
from tests.activations.naive import naive_key


@pytest.mark.parametrize("seed", [0, 1, (1 << 63) + 5, (1 << 64) - 1])
@pytest.mark.parametrize("file", [0, 1, 70_000])
def test_keys_are_those_of_splitmix64(seed: int, file: int) -> None:
    assert keys(seed, file, 5, 20).tolist() == [naive_key(seed, file, row) for row in range(5, 25)]
    assert place_of(seed, file, 7) == Place(naive_key(seed, file, 7), file, 7)


def test_a_known_stream() -> None:
    """The published first values of SplitMix64 from the state 1234567."""
    from gated_ray.activations.ordering import _GOLDEN, _mixed

    with np.errstate(over="ignore"):
        found = _mixed(np.uint64(1234567) + np.arange(1, 4, dtype=np.uint64) * _GOLDEN)
    assert found.tolist() == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_rows_may_be_asked_for_in_any_pieces() -> None:
    whole = keys(3, 2, 0, 1000)
    assert np.concatenate([keys(3, 2, 0, 1), keys(3, 2, 1, 600), keys(3, 2, 601, 399)]).tolist() == whole.tolist()
    assert keys(3, 2, 10, 0).tolist() == []


@pytest.mark.parametrize("seed", range(5))
def test_the_order_is_uniform(seed: int) -> None:
    """Means and neighbours as chance has them, within rows, across files and across seeds: six standard deviations."""
    count = 100_000
    uniform = [
        keys(seed, 0, 0, count),
        np.concatenate([keys(seed, file, 0, 1) for file in range(2000)]),
        np.concatenate([keys(other, 0, 0, 1) for other in range(seed, seed + 2000)]),
    ]
    for each in uniform:
        values = each / 2.0**64
        spread = np.sqrt(1 / 12 / len(values))
        assert abs(values.mean() - 0.5) < 6 * spread
        assert abs(np.corrcoef(values[:-1], values[1:])[0, 1]) < 6 / np.sqrt(len(values))
        buckets = np.bincount((values * 16).astype(int), minlength=16)
        chi_square = ((buckets - len(values) / 16) ** 2 / (len(values) / 16)).sum()
        assert chi_square < 15 + 6 * np.sqrt(30)
    assert len(np.unique(uniform[0])) == count


def test_seeds_give_other_orders() -> None:
    orders = [np.argsort(keys(seed, 0, 0, 1000)) for seed in range(3)]
    shared = [(orders[0] == other).sum() for other in orders[1:]]
    assert max(shared) < 20
