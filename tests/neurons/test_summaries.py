"""Layer summaries against numpy and against counts by hand."""

from typing import Any

import numpy as np
import pytest
import torch

from gated_ray.neurons.classes import classify
from gated_ray.neurons.geometry import Geometry
from gated_ray.neurons.randomness import MismatchedRegions
from gated_ray.neurons.summaries import summarise
from gated_ray.vocabulary import IO_CLASSES

THEORY = (-0.25, 0.25)
MISMATCHED = MismatchedRegions(
    in_out_low=-0.5, in_out_high=0.125, gate_out_low=-0.125, gate_out_high=0.75, gate_in_high=0.5, pairs=1234
)
NAN = float("nan")


def _geometry(in_out: list[float], gate_out: list[float] | None = None, gate_in: list[float] | None = None) -> Geometry:
    def column(values: list[float] | None) -> torch.Tensor | None:
        return None if values is None else torch.tensor(values, dtype=torch.float32)

    cosine = column(in_out)
    assert cosine is not None
    norm = torch.ones_like(cosine)
    gate_norm = None if gate_in is None else norm
    return Geometry(
        column(gate_in), column(gate_out), cosine, gate_norm, norm, norm, torch.ones(len(norm)).to(torch.int8)
    )


def _summary(geometry: Geometry, mismatched: MismatchedRegions | None = MISMATCHED) -> dict[str, Any]:
    codes = classify(geometry.cos_in_out, geometry.cos_gate_out, geometry.cos_gate_in)
    return summarise(geometry, codes, THEORY, mismatched).columns


def _random(neurons: int) -> Geometry:
    draws = np.random.default_rng(0).uniform(-1, 1, (3, neurons)).astype(np.float32)
    return _geometry(draws[0].tolist(), draws[1].tolist(), np.abs(draws[2]).tolist())


def test_class_counts() -> None:
    geometry = _geometry(
        [0.9, 0.9, -0.9, 0.0, 0.0, NAN], [0.9, 0.9, -0.9, 0.0, 0.9, 0.9], [0.9, 0.9, 0.9, 0.9, 0.0, 0.9]
    )
    summary = _summary(geometry)
    counted = {name: summary[name] for name in IO_CLASSES}
    expected = {"enrichment": 2, "depletion": 1, "orthogonal_output": 1, "proportional_change": 1}
    assert counted == dict.fromkeys(IO_CLASSES, 0) | expected
    assert (summary["neurons"], summary["neurons_without_cosine"]) == (6, 1)


def test_plain_blocks_have_three_counts() -> None:
    summary = _summary(_geometry([0.9, -0.9, 0.1, 0.2, NAN]), None)
    plain = {"enrichment": 1, "depletion": 1, "orthogonal_output": 2}
    assert {name: summary[name] for name in IO_CLASSES} == dict.fromkeys(IO_CLASSES) | plain
    assert summary["neurons_without_cosine"] == 1
    gates = [key for key in summary if "gate" in key]
    assert len(gates) == 19
    assert all(summary[key] is None for key in gates)


@pytest.mark.parametrize("neurons", [1, 2, 5, 1000])
def test_statistics_of_the_cosines(neurons: int) -> None:
    geometry = _random(neurons)
    summary = _summary(geometry)
    for name in ("cos_gate_in", "cos_gate_out", "cos_in_out"):
        values = getattr(geometry, name).double().numpy()
        assert summary[f"{name}_mean"] == pytest.approx(values.mean(), abs=1e-12)
        quartiles = [summary[f"{name}_{key}"] for key in ("min", "q1", "median", "q3", "max")]
        np.testing.assert_allclose(quartiles, np.percentile(values, [0, 25, 50, 75, 100]), rtol=0, atol=1e-12)


def test_neurons_without_a_cosine_are_left_out() -> None:
    summary = _summary(_geometry([0.5, NAN, -0.5, 0.25], [NAN, 0.75, 0.25, 0.5], [NAN, 0.5, 1.0, 0.0]))
    assert summary["cos_in_out_mean"] == pytest.approx(0.25 / 3)
    assert (summary["cos_gate_out_min"], summary["cos_gate_out_median"], summary["cos_gate_out_max"]) == (
        0.25,
        0.5,
        0.75,
    )
    assert (summary["cos_gate_in_mean"], summary["neurons_without_cosine"]) == (0.5, 2)
    assert summary["outside_theory_in_out"] == pytest.approx(2 / 3)
    assert sum(summary["cos_in_out_histogram"]) == 3


def test_shares_outside_the_regions() -> None:
    """The ends of a region belong to it; |cos_gate_in| has an upper end only."""
    geometry = _geometry(
        [-0.5, -0.51, 0.125, 0.126, 0.3], [-0.125, -0.25, 0.75, 0.76, 1.0], [0.0, 0.25, 0.26, 0.5, 0.51]
    )
    summary = _summary(geometry)
    assert summary["outside_mismatched_in_out"] == 3 / 5
    assert summary["outside_mismatched_gate_out"] == 3 / 5
    assert summary["outside_mismatched_gate_in"] == 1 / 5
    assert summary["outside_theory_in_out"] == 3 / 5
    assert summary["outside_theory_gate_out"] == 3 / 5
    assert summary["outside_theory_gate_in"] == 3 / 5


def test_regions_are_passed_on() -> None:
    summary = _summary(_random(10))
    assert (summary["theory_low"], summary["theory_high"]) == THEORY
    assert summary["mismatched_pairs"] == 1234
    assert (summary["mismatched_in_out_low"], summary["mismatched_in_out_high"]) == (-0.5, 0.125)
    assert (summary["mismatched_gate_out_low"], summary["mismatched_gate_out_high"]) == (-0.125, 0.75)
    assert summary["mismatched_gate_in_high"] == 0.5


def test_no_mismatched_regions() -> None:
    summary = _summary(_random(10), None)
    mismatched = [key for key in summary if "mismatched" in key]
    assert len(mismatched) == 9
    assert all(summary[key] is None for key in mismatched)
    assert summary["outside_theory_in_out"] is not None


@pytest.mark.parametrize(
    ("cosine", "expected_bin"),
    [
        (-1.0, 0),
        (np.nextafter(np.float32(-0.8), np.float32(-1)), 0),
        # As float32 these lie just below -0.8 = -1 + 0.2 * 1, -0.6 and -0.2 ...
        (-0.8, 0),
        (-0.6, 1),
        (-0.2, 3),
        # ... the next float32 above lies in the bin that begins there ...
        (np.nextafter(np.float32(-0.8), np.float32(0)), 1),
        (np.nextafter(np.float32(-0.6), np.float32(0)), 2),
        (np.nextafter(np.float32(-0.2), np.float32(0)), 4),
        (np.nextafter(np.float32(0), np.float32(-1)), 4),
        (0.0, 5),
        # ... and these just above 0.2, 0.4, 0.6 and 0.8.
        (0.2, 6),
        (0.4, 7),
        (0.6, 8),
        (0.8, 9),
        (np.nextafter(np.float32(0.8), np.float32(0)), 8),
        (1.0, 9),
    ],
)
def test_histogram_edges(cosine: float, expected_bin: int) -> None:
    """METHOD section 5: bin k covers [-1 + 0.2k, -1 + 0.2(k+1)), the last one closed, of the float32 values as they are."""
    histogram = _summary(_geometry([cosine]))["cos_in_out_histogram"]
    assert [k for k, count in enumerate(histogram) if count] == [expected_bin]


def test_histogram_counts_every_neuron_once() -> None:
    geometry = _random(1000)
    values = geometry.cos_in_out.double().numpy()
    expected, _ = np.histogram(values, bins=[-1, -0.8, -0.6, -0.4, -0.2, 0, 0.2, 0.4, 0.6, 0.8, 1])
    histogram = _summary(geometry)["cos_in_out_histogram"]
    assert histogram == expected.tolist()
    assert sum(histogram) == 1000


@pytest.mark.parametrize("cosines", [[], [NAN, NAN]])
def test_blocks_without_any_cosine(cosines: list[float]) -> None:
    summary = _summary(_geometry(cosines, cosines, cosines), None)
    assert summary["neurons"] == summary["neurons_without_cosine"] == len(cosines)
    assert summary["cos_in_out_histogram"] == [0] * 10
    statistics = [key for key in summary if key.startswith(("cos_", "outside_")) and key != "cos_in_out_histogram"]
    assert len(statistics) == 24
    assert all(summary[key] is None for key in statistics)
    assert all(summary[name] == 0 for name in IO_CLASSES)
