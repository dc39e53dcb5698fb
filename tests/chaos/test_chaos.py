"""Whatever dies on the way, sweeps end with the dataset of one that nothing happened to: the short version.

``python -m tests.chaos`` is the long one.
"""

from collections.abc import Iterator

import pytest

from tests.chaos.ground import Ground, ground
from tests.chaos.scenarios import SHORT, schedule

pytestmark = pytest.mark.slow

SEEDS = (7,)


@pytest.fixture(scope="module")
def shared() -> Iterator[Ground]:
    with ground() as made:
        yield made


@pytest.mark.parametrize("name", SHORT)
def test_ends_as_if_nothing_had_happened(shared: Ground, name: str) -> None:
    server, armed = SHORT[name]
    shared.play(name, server, armed)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_schedules_end_as_if_nothing_had_happened(shared: Ground, seed: int) -> None:
    drawn = schedule(seed)
    print(drawn)
    shared.play(f"seed {seed}", drawn.server, drawn.armed, all_happen=False)
