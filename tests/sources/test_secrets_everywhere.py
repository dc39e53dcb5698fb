"""Nothing that opens anything is written down, whatever is logged: by this process, by a sweep, by its workers."""

import logging
import shutil
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from gated_ray.errors import GatedRayError
from gated_ray.sources.checkpoint import open_checkpoint, open_origin
from gated_ray.sources.slices import TensorSlice
from tests.checkpoints.sound import sound_checkpoint
from tests.jobs.running import run_job
from tests.servers.hub import HubServer
from tests.servers.hub_faults import always, on_cdn, refuse
from tests.servers.s3 import S3Server
from tests.servers.s3_proxy import S3Proxy
from tests.sources.reading import read_bytes
from tests.sources.secrets_seen import SESSION_TOKEN, TOKEN, signatures, text_of

REPO = "org/private"


@pytest.fixture
def s3(nanio: S3Server) -> Iterator[S3Proxy]:
    """S3 with a log of what reaches it."""
    with S3Proxy(nanio) as proxy:
        yield proxy


@pytest.fixture
def environment(s3: S3Proxy, hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """All the secrets there are, set for this process too."""
    variables = s3.server.environment() | {
        "AWS_ENDPOINT_URL": s3.server.endpoint_url,
        "AWS_SESSION_TOKEN": SESSION_TOKEN,
        "HF_ENDPOINT": hub.endpoint,
        "HF_TOKEN": TOKEN,
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


@pytest.fixture
def refs(environment: dict[str, str], hub: HubServer, s3: S3Proxy, tmp_path: Path) -> list[str]:
    """A private repository and a model in a bucket."""
    folder = sound_checkpoint(tmp_path / "sound")
    hub.redirect_small_files()
    hub.add_repo(REPO, folder, private=True, token=TOKEN)
    bucket = s3.server.make_bucket(f"secrets-{uuid4().hex[:8]}")
    for path in folder.iterdir():
        s3.server.client().upload_file(str(path), bucket, f"model/{path.name}")
    return [REPO, f"s3://{bucket}/model"]


def _assert_none_of(secrets: set[str], text: str) -> None:
    shown = {secret for secret in secrets if secret in text}
    assert not shown


def _all_secrets(environment: dict[str, str], hub: HubServer, s3: S3Proxy) -> set[str]:
    made = signatures([*hub.log, *s3.log])
    assert len(made) > 5
    return made | {environment["AWS_SECRET_ACCESS_KEY"], SESSION_TOKEN, TOKEN}


def _read_all(ref: str) -> str:
    """Read a model, and say what its objects look like."""
    checkpoint = open_checkpoint(ref)
    origin = open_origin(checkpoint.location)
    read_bytes(checkpoint, list(map(TensorSlice, checkpoint.tensors.values())), origin)
    return f"{checkpoint!r} {vars(origin)!r} {checkpoint.location!r}"


def test_in_this_process(
    environment: dict[str, str],
    refs: list[str],
    hub: HubServer,
    s3: S3Proxy,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    pauses: list[float],
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="huggingface_hub")
    monkeypatch.setattr("huggingface_hub.constants.HF_DEBUG", True)
    shown = [_read_all(ref) for ref in refs]
    hub.faults.append(always(refuse(403), on_cdn))
    s3.faults.append(always(refuse(403), lambda request: request.method == "GET"))
    for ref in refs:
        with pytest.raises(GatedRayError) as failure:
            _read_all(ref)
        error: BaseException | None = failure.value
        shown += traceback.format_exception(failure.value)
        while error is not None:
            shown += [repr(error), repr(vars(error)), repr(error.args)]
            error = error.__cause__ or error.__context__
    records = "\n".join(f"{record.name} {record.getMessage()} {record.args!r}" for record in caplog.records)
    printed = "".join(capfd.readouterr())
    assert "urllib3" in records
    assert "Send: curl" in records + printed
    _assert_none_of(_all_secrets(environment, hub, s3), records + printed + "".join(shown))


@pytest.mark.slow
def test_in_a_sweep(environment: dict[str, str], refs: list[str], hub: HubServer, s3: S3Proxy, tmp_path: Path) -> None:
    """With everything logged that can be, by the driver and by its workers, whose logs Ray keeps."""
    everything = tmp_path / "everything"
    everything.mkdir()
    (everything / "sitecustomize.py").write_text("import logging\nlogging.basicConfig(level=logging.DEBUG)\n")
    work, store = tmp_path / "work", tmp_path / "store"
    work.mkdir()
    ray_files = Path(tempfile.mkdtemp(prefix="ray-"))  # a short path: Ray makes sockets in it
    bucket = refs[1].removeprefix("s3://").partition("/")[0]
    try:
        done = run_job(
            "sweep",
            f"models.refs=[{','.join(refs)},org/absent]",
            f"store.url=s3://{bucket}/results",
            "profile.regions=none",
            "debug=true",
            "hydra.verbose=true",
            cwd=work,
            environment={
                "HF_DEBUG": "1",
                "PYTHONPATH": f"{everything}:{Path(__file__).parents[2]}",
                "RAY_TMPDIR": str(ray_files),
            },
        )
        logs = text_of(ray_files)
    finally:
        shutil.rmtree(ray_files)
    assert done.returncode == 1, done.stderr
    assert "org/absent" in done.stderr
    assert "DEBUG" in done.stderr
    assert "DEBUG:urllib3" in logs, "that of the workers"
    client = s3.server.client()
    for entry in client.list_objects_v2(Bucket=bucket, Prefix="results/")["Contents"]:
        path = store / entry["Key"]
        path.parent.mkdir(parents=True, exist_ok=True)
        client.download_file(bucket, entry["Key"], str(path))
    stored = text_of(store)
    assert REPO in stored, "the tables"
    _assert_none_of(_all_secrets(environment, hub, s3), done.stdout + done.stderr + logs + stored + text_of(work))
