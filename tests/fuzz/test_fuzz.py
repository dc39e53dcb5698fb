"""A short fuzz of what a checkpoint may say; ``python -m tests.fuzz SECONDS`` is the long one."""

from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.fuzz.spoiling import spoiled
from tests.fuzz.target import MOST_MEMORY, judge, resident

CASES = 3000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "m"


@settings(
    max_examples=CASES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.integers(0, 2**64 - 1))
@example(63)  # a model_type of 3,000 letters in the message
@example(1429)  # linear_class of bitnet is an object
@example(22053)  # sparsity_config is a list
@example(33930)  # experts of no rows
@example(41675)  # transform_config is a word
def test_a_spoiled_checkpoint_is_read_or_refused_in_a_line(folder: Path, seed: int) -> None:
    judge(Random(seed), folder)


def test_many_come_to_every_outcome_and_memory_stays_small(folder: Path) -> None:
    """A fuzz that refuses everything at the door, or nothing, finds nothing."""
    highest = resident("VmHWM")
    outcomes = [judge(Random(seed), folder) for seed in range(600)]
    kinds = [outcome.kind for outcome in outcomes]
    assert min(kinds.count(kind) for kind in ("read", "CheckpointError", "UnsupportedError")) > 40
    assert len({outcome.shape for outcome in outcomes}) > 60
    assert resident("VmHWM") - highest < MOST_MEMORY


def test_a_seed_makes_one_checkpoint() -> None:
    assert spoiled(Random(7)) == spoiled(Random(7)) != spoiled(Random(8))
