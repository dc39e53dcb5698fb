"""A sweep of a planted checkpoint of Qwen2.5-0.5B's shape gives the published class table, from wherever it is read."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import gated_ray
from gated_ray.architectures.finding import find_blocks
from gated_ray.sources.checkpoint import open_checkpoint
from gated_ray.store.catalogue import Store
from tests.checkpoints.planted import published_table
from tests.cluster.fixtures import PUBLISHED
from tests.cluster.sweeping import assert_sound
from tests.jobs.running import call_job, run_job
from tests.servers.hub import HubServer
from tests.servers.s3 import S3Server

pytestmark = pytest.mark.slow

TOKEN = "hf_a_token_that_opens_the_planted_model"
REPO = "org/Qwen2.5-0.5B"


def class_table(store: Store, model: str) -> dict[int, dict[str, int]]:
    """Neurons by layer and class, counted from the rows of the neurons table."""
    rows = store.neurons(model).to_table(columns=["layer", "io_class"])
    counts = rows.group_by(["layer", "io_class"]).aggregate([([], "count_all")]).to_pylist()
    table: dict[int, dict[str, int]] = {}
    for row in counts:
        table.setdefault(row["layer"], {})[row["io_class"]] = row["count_all"]
    return table


def summarised_table(store: Store, model: str) -> dict[int, dict[str, int]]:
    """The same as the layers table counts it."""
    classes = next(iter(EXPECTED.values())).keys()
    return {row["layer"]: {name: row[name] for name in classes} for row in store.layers(model).to_pylist()}


EXPECTED = published_table(PUBLISHED)
PRESENT = {layer: {name: count for name, count in counts.items() if count} for layer, counts in EXPECTED.items()}


def test_from_a_folder(planted_qwen: Path, swept_qwen: Path) -> None:
    assert_sound(swept_qwen, 1)
    store = gated_ray.open_store(str(swept_qwen))
    assert class_table(store, planted_qwen.name) == PRESENT
    assert summarised_table(store, planted_qwen.name) == EXPECTED
    (model,) = store.models().to_pylist()
    assert (model["neurons"], model["blocks"], model["d_model"]) == (24 * 4864, 24, 896)


@pytest.fixture
def planted_hub(hub: HubServer, planted_qwen: Path) -> HubServer:
    """A Hub on which the planted model is a private repository."""
    hub.add_repo(REPO, planted_qwen, private=True, token=TOKEN)
    return hub


@pytest.fixture
def planted_bucket(planted_qwen: Path, nanio: S3Server) -> Iterator[str]:
    """A bucket with the planted model below ``models/``."""
    bucket = nanio.make_bucket("planted")
    client = nanio.client()
    for path in planted_qwen.iterdir():
        client.upload_file(str(path), bucket, f"models/qwen/{path.name}")
    yield bucket
    for path in planted_qwen.iterdir():
        client.delete_object(Bucket=bucket, Key=f"models/qwen/{path.name}")


def test_from_a_private_repository_and_from_a_bucket(
    planted_hub: HubServer, planted_bucket: str, nanio: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**nanio.environment(), "HF_ENDPOINT": planted_hub.endpoint, "HF_TOKEN": TOKEN}.items():
        monkeypatch.setenv(name, value)
    url = f"s3://{planted_bucket}/results"
    done = run_job(
        "sweep",
        f"models.refs=[{REPO},s3://{planted_bucket}/models/qwen]",
        f"models.endpoint_url={nanio.endpoint_url}",
        "store=s3",
        f"store.url={url}",
        f"store.endpoint_url={nanio.endpoint_url}",
        "profile.regions=none",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == [], "something was written to disk"
    assert call_job("verify", f"store.url={url}", f"store.endpoint_url={nanio.endpoint_url}") == 0

    store = gated_ray.open_store(url, nanio.endpoint_url)
    for model in (REPO, "qwen"):
        assert class_table(store, model) == PRESENT
        assert summarised_table(store, model) == EXPECTED

    served = planted_hub.weight_bytes_served()
    needed = sum(block.bytes for block in find_blocks(open_checkpoint(REPO)))
    assert needed <= served <= 1.05 * needed
    assert TOKEN in {request.token for request in planted_hub.hub_requests()}
    assert {request.token for request in planted_hub.cdn_requests()} == {None}
    assert all(TOKEN not in str(request.headers) + str(request.path) for request in planted_hub.cdn_requests())
    assert TOKEN not in done.stdout + done.stderr
