"""Two S3 servers of different habits, each a process of its own: moto's, which keeps to AWS, and nanio, which is minimal."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import boto3

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

REGION = "us-east-1"

_START_SECONDS = 60
_STOP_SECONDS = 5


@dataclass(frozen=True)
class S3Server:
    """A running server and the one pair of keys that it accepts."""

    endpoint_url: str
    access_key: str
    secret_key: str

    def client(self) -> "S3Client":
        """A client with these keys and otherwise boto3's defaults."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            region_name=REGION,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
        )

    def make_bucket(self, name: str) -> str:
        """Make an empty bucket and return its name."""
        self.client().create_bucket(Bucket=name)
        return name

    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to use this server, but for the endpoint's URL."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": REGION,
        }


@contextmanager
def moto_server(checks_keys: bool = True) -> Iterator[S3Server]:
    """moto's server. It can check keys and signatures, but then fails with 500 on every presigned URL."""
    if not checks_keys:
        port = _free_port()
        with _process(["-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], {}, port):
            yield S3Server(f"http://127.0.0.1:{port}", "tester", "tester-secret")
        return
    port = _free_port()
    # So many requests go unchecked: the three that make a user, let it use S3 and give it a key.
    environment = {"INITIAL_NO_AUTH_ACTION_COUNT": "3"}
    with _process(["-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], environment, port):
        endpoint_url = f"http://127.0.0.1:{port}"
        iam = boto3.client(
            "iam", endpoint_url=endpoint_url, region_name=REGION, aws_access_key_id="any", aws_secret_access_key="any"
        )
        allow_s3 = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
        iam.create_user(UserName="tester")
        iam.put_user_policy(UserName="tester", PolicyName="s3", PolicyDocument=json.dumps(allow_s3))
        key = iam.create_access_key(UserName="tester")["AccessKey"]
        yield S3Server(endpoint_url, key["AccessKeyId"], key["SecretAccessKey"])


@contextmanager
def nanio_server(folder: Path) -> Iterator[S3Server]:
    """nanio over ``folder``: buckets are folders in it, objects files in those."""
    port = _free_port()
    server = S3Server(f"http://127.0.0.1:{port}", "tester", "tester-secret")
    environment = {"NANIO_ACCESS_KEY": server.access_key, "NANIO_SECRET_KEY": server.secret_key}
    command = ["-m", "nanio", "serve", "--host", "127.0.0.1", "--port", str(port), "--data-dir", str(folder)]
    with _process([*command, "--no-access-log"], environment, port):
        yield server


@contextmanager
def _process(arguments: list[str], environment: dict[str, str], port: int) -> Iterator[None]:
    """A Python process that listens on ``port`` while the block runs.

    Raises:
        RuntimeError: it did not come up; the message ends with what it printed.
    """
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [sys.executable, *arguments], env={**os.environ, **environment}, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            _wait_until_listening(process, port, output)
            yield
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_listening(process: subprocess.Popen[bytes], port: int, output: IO[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    output.seek(0)
    printed = output.read().decode(errors="replace")
    raise RuntimeError(f"{process.args!r} does not listen on port {port}; it printed:\n{printed}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
