"""Mismatched regions against all pairs in float64, and how they are sampled."""

import subprocess
import sys
from unittest import mock

import numpy as np
import pytest
import torch

from gated_ray.neurons import quantiles
from gated_ray.neurons.randomness import MismatchedRegions, mismatched_regions
from tests.neurons.pairs import (
    EXACT_ERROR,
    SAMPLED_ERROR,
    alike,
    all_pairs_regions,
    float64_arrays,
    largest_error,
    unlike,
)

PAIRS = 2_000_000


def _exact(vectors: list[torch.Tensor]) -> MismatchedRegions | None:
    return mismatched_regions(vectors, exact=True, least_pairs=PAIRS, seed=0)


def _sampled(vectors: list[torch.Tensor], seed: int = 0, pairs: int = PAIRS) -> MismatchedRegions | None:
    return mismatched_regions(vectors, exact=False, least_pairs=pairs, seed=seed)


@pytest.mark.parametrize(("neurons", "d_model"), [(2, 8), (3, 2), (20, 16), (300, 4), (700, 64), (1100, 256)])
@pytest.mark.parametrize("gated", [True, False], ids=["gated", "plain"])
def test_exact_regions(neurons: int, d_model: int, gated: bool) -> None:
    vectors = alike(neurons, d_model)[0 if gated else 1 :]
    found = _exact(vectors)
    assert largest_error(found, all_pairs_regions(*float64_arrays(vectors))) < EXACT_ERROR
    assert found is not None
    assert found.pairs == neurons * (neurons - 1)


def test_exact_regions_of_unlike_neurons() -> None:
    vectors = unlike(1000, 32, share=0.1)
    assert largest_error(_exact(vectors), all_pairs_regions(*float64_arrays(vectors))) < EXACT_ERROR


def test_matched_pairs_are_left_out() -> None:
    """Every neuron's own cosines are 1, more than 5 % of so few pairs; others' are at most 0.4."""
    generator = np.random.default_rng(0)
    rotation = np.linalg.qr(generator.normal(size=(16, 16)))[0]
    vector = torch.from_numpy(rotation[:8] + 0.1 * rotation[8:]).float()
    vector /= vector.norm(dim=1, keepdim=True)
    found = _exact([vector, vector, vector])
    assert found is not None
    assert max(found.in_out_high, found.gate_out_high, found.gate_in_high) < 0.4


@pytest.mark.parametrize("d_model", [16, 400])
def test_sampled_regions(d_model: int) -> None:
    vectors = alike(2000, d_model)
    expected = all_pairs_regions(*float64_arrays(vectors))
    for seed in range(2):
        found = _sampled(vectors, seed)
        assert largest_error(found, expected) < SAMPLED_ERROR
        assert found is not None
        assert found.pairs >= PAIRS
        assert found.pairs % 1999 == 0


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_sampled_regions_of_unlike_neurons(share: float) -> None:
    """Two million pairs alone are not enough here: pairs of one row go together."""
    vectors = unlike(2500, 32, share)
    expected = all_pairs_regions(*float64_arrays(vectors))
    for seed in range(2):
        found = _sampled(vectors, seed)
        assert largest_error(found, expected) < SAMPLED_ERROR
        assert found is not None
        assert found.pairs > 1.2 * PAIRS


def test_wide_layers_give_enough_rows_to_meet_rare_ones() -> None:
    """Two million pairs would be 100 rows here: too few to tell how unlike rows are."""
    found = _sampled(alike(20_000, 512)[1:])
    assert found is not None
    assert 512 * 19_999 <= found.pairs < 20_000 * 19_999 // 4


def test_seed_decides_the_sample() -> None:
    vectors = alike(3000, 512)
    first, again, other = (_sampled(vectors, seed) for seed in (0, 0, 1))
    assert first == again
    assert first != other
    assert first is not None
    assert PAIRS <= first.pairs < 3000 * 2999


def test_a_sample_that_needs_every_row_is_exact() -> None:
    vectors = alike(600, 16)
    assert _sampled(vectors) == _exact(vectors) == _sampled(vectors, seed=5)


class _Tiles:
    """What reaches the counts: sizes of tiles and the rows' own columns."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.rows: list[int] = []
        add = quantiles.CosineCounts.add

        def spy(counts: quantiles.CosineCounts, tile: torch.Tensor, own: torch.Tensor) -> None:
            self.sizes.append(tile.numel())
            self.rows += own.tolist()
            add(counts, tile, own)

        self.patch = mock.patch.object(quantiles.CosineCounts, "add", spy)


@pytest.mark.parametrize("exact", [True, False])
def test_pairs_are_those_counted_and_tiles_stay_small(exact: bool) -> None:
    neurons = 5000
    tiles = _Tiles()
    with tiles.patch:
        found = mismatched_regions(alike(neurons, 128), exact=exact, least_pairs=PAIRS, seed=0)
    assert found is not None
    assert 3 * found.pairs == sum(tiles.sizes) - len(tiles.rows)
    assert max(tiles.sizes) <= 256 * neurons < neurons**2 // 10
    times = np.bincount(tiles.rows, minlength=neurons)
    assert set(times.tolist()) == ({3} if exact else {0, 3})
    if not exact:
        seen = times.nonzero()[0]
        assert 0.4 < seen.mean() / neurons < 0.6  # not the first rows


def test_tiles_of_very_wide_layers_stay_countable() -> None:
    """However many pairs are asked for: float32 counts no more than 2**24 in a bin."""
    sizes: list[int] = []

    class _SeenEnoughError(Exception):
        pass

    def spy(counts: quantiles.CosineCounts, tile: torch.Tensor, own: torch.Tensor) -> None:
        sizes.append(tile.numel())
        raise _SeenEnoughError

    vectors = alike(100_000, 2)[1:]
    for exact in (True, False):
        with mock.patch.object(quantiles.CosineCounts, "add", spy), pytest.raises(_SeenEnoughError):
            mismatched_regions(vectors, exact=exact, least_pairs=3 * 10**9, seed=0)
    assert len(sizes) == 2
    assert all(100_000 <= size <= 1 << 23 for size in sizes)


def test_memory_stays_far_below_all_pairs() -> None:
    """The peak of a process of its own, by VmHWM: ``ru_maxrss`` of a child begins at its parent's."""
    program = (
        "import torch\n"
        "from gated_ray.neurons.randomness import mismatched_regions\n"
        "def peak_kib():\n"
        "    lines = open('/proc/self/status').read().splitlines()\n"
        "    return next(int(line.split()[1]) for line in lines if line.startswith('VmHWM'))\n"
        "rows = torch.nn.functional.normalize(torch.randn(8000, 2), dim=1)\n"
        "mismatched_regions([rows[:300], rows[:300]], exact=True, least_pairs=1, seed=0)\n"
        "before = peak_kib()\n"
        "mismatched_regions([rows, rows], exact=True, least_pairs=1, seed=0)\n"
        "print(peak_kib() - before)\n"
    )
    run = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    all_pairs_kib = 4 * 8000 * 8000 // 1024
    assert 0 < int(run.stdout) < all_pairs_kib / 5
