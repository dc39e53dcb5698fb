"""One Ray for all tests of a session, and the checkpoints that several of them sweep.

What takes seconds to import is imported where it is used, because every test session loads this file.
"""

import logging
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

CPUS = 2
PUBLISHED = "Qwen/Qwen2.5-0.5B"


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """A Ray on this machine, which `run_sweep` then uses instead of one of its own."""
    import ray

    with pytest.MonkeyPatch.context() as patch:
        # Else Ray writes a token below the home folder of whoever runs the tests.
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
        ray.init(
            address="local",
            num_cpus=CPUS,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            object_store_memory=128 << 20,
        )
        yield
        ray.shutdown()


@pytest.fixture(scope="session")
def every_family(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tiny checkpoint of every family and variant that is read, by case name; every other one in several shards."""
    from tests.checkpoints.tiny import CASES, tiny_checkpoint

    parent = tmp_path_factory.mktemp("families")
    for number, (case, (model_type, overrides)) in enumerate(CASES.items()):
        size = "20KB" if number % 2 else "1GB"
        tiny_checkpoint(parent / case, model_type, seed=number, max_shard_size=size, **overrides)
    return {case: parent / case for case in CASES}


@pytest.fixture(scope="session")
def planted_qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Qwen2.5-0.5B's true shape (24 layers of 4864 neurons, d_model 896, bf16), planted after its published class table."""
    from tests.checkpoints.planted import plant_checkpoint, published_table

    folder = tmp_path_factory.mktemp("planted") / "Qwen2.5-0.5B"
    plant_checkpoint(folder, published_table(PUBLISHED), d_model=896, model_type="qwen2", shards=2)
    return folder


@pytest.fixture(scope="session")
def swept_qwen(ray_session: None, planted_qwen: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store that a sweep of the planted Qwen2.5-0.5B leaves, with its randomness regions."""
    from gated_ray.cluster.sweep import run_sweep
    from gated_ray.settings import ProfileSettings
    from tests.cluster.sweeping import sweep_settings

    store = tmp_path_factory.mktemp("swept") / "store"
    assert run_sweep(sweep_settings(store, [planted_qwen], ProfileSettings())).failures == ()
    return store
