"""The theory region against scipy, against its density, and against chance itself."""

import numpy as np
import pytest
from scipy import integrate, stats

from gated_ray.neurons.randomness import theory_region


@pytest.mark.parametrize("d_model", [2, 3, 16, 896, 8192])
def test_theory_against_scipy(d_model: int) -> None:
    beta = stats.beta((d_model - 1) / 2, (d_model - 1) / 2, loc=-1, scale=2)
    np.testing.assert_allclose(theory_region(d_model), beta.ppf([0.025, 0.975]), rtol=1e-9)


@pytest.mark.parametrize("d_model", [4, 64, 1024])
def test_theory_against_the_density(d_model: int) -> None:
    """The density of the cosine is proportional to (1 - x**2)**((d - 3) / 2)."""

    def mass(low: float, high: float) -> float:
        return integrate.quad(
            lambda x: (1 - x * x) ** ((d_model - 3) / 2), low, high, epsabs=0, epsrel=1e-10, points=[0]
        )[0]

    low, high = theory_region(d_model)
    assert mass(low, high) / mass(-1, 1) == pytest.approx(0.95, abs=1e-8)
    assert low == -high


def test_theory_against_chance() -> None:
    generator = np.random.default_rng(0)
    one, other = generator.normal(size=(2, 100_000, 32))
    cosines = (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
    low, high = theory_region(32)
    assert (cosines < low).mean() == pytest.approx(0.025, abs=0.002)
    assert (cosines > high).mean() == pytest.approx(0.025, abs=0.002)
