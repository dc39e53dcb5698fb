"""Whatever dies on the way, sweeps end with the dataset of one that nothing happened to: the short version.

``python -m tests.chaos`` is the long one.
"""

from collections.abc import Iterator

import pytest

from tests.chaos.ground import Ground, ground
from tests.chaos.scenarios import SHORT, schedule

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shared() -> Iterator[Ground]:
    with ground() as made:
        yield made


@pytest.mark.parametrize("name", SHORT)
def test_ends_as_if_nothing_had_happened(shared: Ground, name: str) -> None:
    server, armed = SHORT[name]
    shared.play(name, server, armed)


def test_a_seed_gives_the_same_schedule_again() -> None:
    """That is what a recorded seed is for."""
    drawn = [schedule(seed)[:2] for seed in range(20)]
    assert [schedule(seed)[:2] for seed in range(20)] == drawn
    assert len(set(drawn)) == 20
