"""The compose file, and its server run for real."""

import contextlib
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3

from gated_ray.settings import ClusterSettings
from tests.infra.manifests import INFRA, ROOT, documents
from tests.jobs.running import wait_until

COMPOSE: dict[str, Any] = documents(INFRA / "compose.yaml")[0]
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def test_structure() -> None:
    assert set(COMPOSE) == {"name", "x-job", "services", "volumes"}
    assert set(SERVICES) == {"s3", "sweep", "watch"}
    assert set(COMPOSE["volumes"]) == {"s3"}
    known = {"image", "build", "command", "environment", "ports", "volumes", "healthcheck", "init", "shm_size"}
    known |= {"stop_grace_period", "depends_on", "profiles", "restart"}
    for name, service in SERVICES.items():
        assert set(service) <= known, name
        build = service["build"]
        assert set(build) <= {"context", "dockerfile", "target"}
        assert (INFRA / build["context"]).resolve() == ROOT
        assert (ROOT / build["dockerfile"]).is_file()
        if "target" in build:
            assert f" AS {build['target']}\n" in (ROOT / build["dockerfile"]).read_text()


def test_only_the_server_starts_by_itself_and_only_this_machine_reaches_it() -> None:
    assert [name for name, service in SERVICES.items() if "profiles" not in service] == ["s3"]
    assert SERVICES["s3"]["ports"] == ["127.0.0.1:9000:9000"]
    for name in ("sweep", "watch"):
        assert "ports" not in SERVICES[name]
        assert SERVICES[name]["depends_on"] == {"s3": {"condition": "service_healthy"}}


def test_keys_are_throwaway_and_the_token_is_the_shells() -> None:
    server = SERVICES["s3"]["environment"]
    assert server == {"NANIO_ACCESS_KEY": "development", "NANIO_SECRET_KEY": "development"}
    for name in ("sweep", "watch"):
        environment = SERVICES[name]["environment"]
        assert environment["AWS_ACCESS_KEY_ID"] == server["NANIO_ACCESS_KEY"]
        assert environment["AWS_SECRET_ACCESS_KEY"] == server["NANIO_SECRET_KEY"]
        assert environment["AWS_ENDPOINT_URL_S3"] == "http://s3:9000"
        assert environment["HF_TOKEN"] is None


def test_a_job_has_time_to_stop_and_what_it_reads() -> None:
    for name in ("sweep", "watch"):
        assert SERVICES[name]["init"] is True  # else nobody forwards SIGTERM to it, nor reaps what it leaves
        assert float(SERVICES[name]["stop_grace_period"].removesuffix("s")) > ClusterSettings().grace_seconds
        (volume,) = SERVICES[name]["volumes"]
        source, target, mode = volume.split(":")
        assert mode == "ro"
        assert (INFRA / source).resolve() == ROOT / "tests" / "data"
        for reference in SERVICES["sweep"]["command"].split("models.refs=[")[1].split("]")[0].split(","):
            folder, _, revision = reference.partition("@")
            assert (INFRA / source / folder.removeprefix(f"{target}/") / revision / "config.json").is_file()


def test_the_server_makes_the_bucket_and_serves_it(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shell, flag, command = SERVICES["s3"]["command"]
    command = command.replace("/data", str(tmp_path)).replace("0.0.0.0", "127.0.0.1").replace("9000", str(port))
    command = command.replace("exec nanio", f"exec {shlex.quote(sys.executable)} -m nanio")
    environment = SERVICES["s3"]["environment"]
    with open(tmp_path / "server.txt", "wb") as output:
        server = subprocess.Popen([shell, flag, command], env=environment, stdout=output, stderr=output)
    try:
        check = SERVICES["s3"]["healthcheck"]["test"]
        assert check[:3] == ["CMD", "python", "-c"]
        script = check[3].replace("9000", str(port))
        assert wait_until(lambda: subprocess.run([sys.executable, "-c", script]).returncode == 0, 60)
        client = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            region_name=SERVICES["sweep"]["environment"]["AWS_DEFAULT_REGION"],
            aws_access_key_id=environment["NANIO_ACCESS_KEY"],
            aws_secret_access_key=environment["NANIO_SECRET_KEY"],
        )
        client.put_object(Bucket="gated-ray", Key="dataset/x", Body=b"y")
        assert [each["Key"] for each in client.list_objects_v2(Bucket="gated-ray")["Contents"]] == ["dataset/x"]
    finally:
        with contextlib.suppress(ProcessLookupError):
            server.send_signal(signal.SIGTERM)
        server.wait(30)
