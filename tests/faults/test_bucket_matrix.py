"""The fault matrix of a bucket: objects are read by presigned URLs, through the same engine."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gated_ray.errors import AccessError, CheckpointError, GatedRayError, TransientError
from gated_ray.sources.checkpoint import Checkpoint, open_checkpoint
from gated_ray.sources.slices import TensorSlice
from tests.checkpoints.cosine_cells import CELLS
from tests.checkpoints.planted import plant_checkpoint
from tests.checkpoints.raw_safetensors import unpack
from tests.faults.conftest import Clock
from tests.faults.hurry import hurry
from tests.faults.kinds import Kind, one_or_another
from tests.servers.hub_faults import (
    Fault,
    always,
    drip_body,
    error_page,
    first,
    gzip_encoded,
    refuse,
    reset_after,
    sometimes,
    truncate,
)
from tests.servers.hub_log import Request
from tests.servers.hub_ranges import as_if_whole, other_etag, other_file, resized, say_range, without_content_range
from tests.servers.hub_redirects import redirect_loop
from tests.servers.s3 import S3Server
from tests.servers.s3_proxy import S3Proxy, expired_request, on_objects, slow_down
from tests.sources.reading import read_bytes

MOST_SECONDS = 60

FAULTS: dict[str, Fault] = {
    "slow_down": slow_down,
    "429": refuse(429),
    "500": refuse(500),
    "expired": expired_request,
    "reset_before_the_answer": reset_after(None),
    "reset_in_the_body": reset_after(700),
    "truncated": truncate(700),
    "wrong_content_range": say_range(begin=-1),
    "no_content_range": without_content_range,
    "wrong_total": say_range(total=1),
    "as_if_whole": as_if_whole,
    "less_than_asked": resized(-1),
    "more_than_asked": resized(1),
    "changed_etag": other_etag,
    "another_file": other_file,
    "gzip": gzip_encoded,
    "html": error_page,
    "redirect_loop": redirect_loop,
    "slow_body": drip_body,
}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of about 0.2 MB in two shards."""
    folder = tmp_path_factory.mktemp("matrix") / "planted"
    plant_checkpoint(
        folder, {layer: dict.fromkeys(CELLS, 8) for layer in range(4)}, d_model=32, model_type="llama", shards=2
    )
    return folder


@pytest.fixture(scope="module")
def stored(planted: Path) -> dict[str, bytes]:
    return {name: tensor.data for path in planted.glob("*.safetensors") for name, tensor in unpack(path).items()}


@pytest.fixture(scope="module")
def bucket(nanio: S3Server, planted: Path) -> str:
    name = nanio.make_bucket("fault-matrix")
    for path in planted.iterdir():
        nanio.client().put_object(Bucket=name, Key=f"models/planted/{path.name}", Body=path.read_bytes())
    return name


@pytest.fixture(scope="module")
def front(nanio: S3Server) -> Iterator[S3Proxy]:
    """A front before nanio, whose keys are in the environment."""
    with pytest.MonkeyPatch.context() as patch, S3Proxy(nanio) as front:
        for name, value in nanio.environment().items():
            patch.setenv(name, value)
        yield front


@pytest.fixture(scope="module")
def checkpoint(front: S3Proxy, bucket: str) -> Checkpoint:
    return open_checkpoint(f"s3://{bucket}/models/planted", front.server.endpoint_url)


@pytest.fixture
def proxy(front: S3Proxy, checkpoint: Checkpoint, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Proxy]:
    """The front, with an empty log; nobody waits between attempts, and parts are small."""
    hurry(monkeypatch.setattr)
    front.clear_log()
    yield front
    front.faults.clear()


def read_everything(checkpoint: Checkpoint) -> dict[str, bytes]:
    return read_bytes(checkpoint, [TensorSlice(record) for record in checkpoint.tensors.values()])


def test_objects_are_read_by_presigned_urls(proxy: S3Proxy, checkpoint: Checkpoint, stored: dict[str, bytes]) -> None:
    assert read_everything(checkpoint) == stored
    reads = [request for request in proxy.log if on_objects(request)]
    assert len(reads) > 50
    assert all("X-Amz-Signature" in request.query and "authorization" not in request.headers for request in reads)


@pytest.mark.parametrize("name", FAULTS)
def test_a_tenth_of_the_requests(
    proxy: S3Proxy, checkpoint: Checkpoint, stored: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    if name == "slow_body":
        hurry(monkeypatch.setattr, part=8 << 10)
    hook = sometimes(0.1, FAULTS[name], on_objects, seed=4)
    proxy.faults.append(hook)
    started = time.monotonic()
    assert read_everything(checkpoint) == stored
    assert hook.committed > (1 if name == "slow_body" else 2)
    assert time.monotonic() - started < MOST_SECONDS


@pytest.mark.parametrize("rate", [0.1, 0.3])
def test_one_fault_or_another(
    proxy: S3Proxy, checkpoint: Checkpoint, bucket: str, stored: dict[str, bytes], rate: float
) -> None:
    """Unlike the Hub's, an object's ETag is known beforehand: no answer can pass for the first one of another file."""
    kinds = [Kind(fault, on_objects) for name, fault in FAULTS.items() if name != "slow_body"]
    right = 0
    for seed in range(4):
        proxy.faults[:] = [one_or_another(rate, kinds, seed, on_objects)]
        started = time.monotonic()
        try:
            found = read_everything(checkpoint)
        except GatedRayError as error:
            message = str(error)
            found = {}
        assert time.monotonic() - started < MOST_SECONDS
        if found:
            assert found == stored
            right += 1
        else:
            assert message.startswith(f"s3://{bucket}/models/planted/model-0000")
    assert right >= (4 if rate == 0.1 else 2)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("slow_down", TransientError),
        ("reset_before_the_answer", TransientError),
        ("wrong_content_range", TransientError),
        ("as_if_whole", TransientError),
        ("expired", AccessError),
        ("changed_etag", CheckpointError),
        ("another_file", CheckpointError),
        ("wrong_total", CheckpointError),
    ],
)
def test_a_fault_for_ever(
    proxy: S3Proxy, checkpoint: Checkpoint, bucket: str, name: str, kind: type[GatedRayError]
) -> None:
    proxy.faults.append(always(FAULTS[name], on_objects))
    part = TensorSlice(next(iter(checkpoint.tensors.values())), 0, 1)
    with pytest.raises(kind) as caught:
        read_bytes(checkpoint, [part])
    message = str(caught.value)
    assert message.startswith(f"s3://{bucket}/models/planted/{part.record.file.path} at byte {part.begin}: ")
    assert ", 6 times" in message
    assert not any(secret in message for secret in ("Amz", "Signature", "?", "\n", proxy.server.secret_key))


def test_a_presigned_url_that_was_refused_is_made_anew(
    proxy: S3Proxy, checkpoint: Checkpoint, stored: dict[str, bytes], clock: Clock
) -> None:
    part = TensorSlice(next(iter(checkpoint.tensors.values())), 0, 1)
    proxy.faults.append(first(1, expired_request, on_objects))
    assert read_bytes(checkpoint, [part])[part.name] == stored[part.record.name][: part.bytes]
    assert [request.status for request in proxy.log] == [403, 206]
    assert clock.slept == []


def test_an_object_that_is_gone(proxy: S3Proxy, checkpoint: Checkpoint, clock: Clock) -> None:
    proxy.faults.append(always(refuse(404), on_objects))
    with pytest.raises(CheckpointError, match="no longer there"):
        read_bytes(checkpoint, [TensorSlice(next(iter(checkpoint.tensors.values())), 0, 1)])
    assert len(proxy.log) == 1
    assert clock.slept == []


def test_a_listing_that_drips(proxy: S3Proxy, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3's timeouts are for the next byte, and one always comes."""
    monkeypatch.setattr("gated_ray.sources.remote.deadline._SECONDS", 0.5)
    proxy.faults.append(always(drip_body, _is_listing))
    started = time.monotonic()
    with pytest.raises(TransientError, match=f"^s3://{bucket}/models/planted: .*no complete answer"):
        open_checkpoint(f"s3://{bucket}/models/planted", proxy.server.endpoint_url)
    assert time.monotonic() - started < 10


def _is_listing(request: Request) -> bool:
    return "list-type" in request.query
