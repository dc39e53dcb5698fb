"""Before anything else is imported: cut the tests off from the accounts, caches and proxies of whoever runs them."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

_OUTSIDE = ("AWS_", "HF_", "HUGGING_FACE_", "HUGGINGFACE_", "RAY_", "TRANSFORMERS_")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")

# huggingface_hub and Ray read their environment when they are imported.
for _name in list(os.environ):
    if _name.startswith(_OUTSIDE) or _name.upper() in _PROXIES:
        del os.environ[_name]

_home = tempfile.TemporaryDirectory(prefix="gated-ray-tests-")
os.environ |= {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "HF_HOME": _home.name,
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "OMP_WAIT_POLICY": "passive",  # torch threads that spin for each other starve the servers beside them
    "RAY_ADDRESS": "local",
    # Nobody follows the workers' logs here; Ray looks for new ones ten times a second, through all that the tests have left.
    "RAY_LOG_MONITOR_MANY_FILES_THRESHOLD": "1",
    "LOG_NAME_UPDATE_INTERVAL_S": "30",
}

pytest_plugins = ["tests.cluster.fixtures", "tests.servers.fixtures"]


_WITH_RAY = {"chaos", "cluster", "jobs", "test_tour.py", "watching"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where two processes share the tests (pytest-xdist): all that starts Ray in one of them, the others file by file."""
    for item in items:
        where = item.path.relative_to(Path(__file__).parent)
        with_ray = where.parts[0] in _WITH_RAY or "ray_session" in getattr(item, "fixturenames", ())
        item.add_marker(pytest.mark.xdist_group("ray" if with_ray else str(where)))


@pytest.fixture(autouse=True)
def hermetic_environment() -> Iterator[None]:
    """Undo what a test does to the environment."""
    with mock.patch.dict(os.environ):
        yield
