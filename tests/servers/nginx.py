"""nginx on loopback, in processes of its own: the server that speed is measured against."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import ProxyHandler, build_opener

from tests.servers.hub import HubServer
from tests.servers.hub_repos import HubFile

_START_SECONDS = 10
_MARK = "/mark"
_DIRECT = build_opener(ProxyHandler({}))


@dataclass(frozen=True)
class Nginx:
    """A running server. The same files are behind both origins.

    Attributes:
        plain, tls: origins.
        certificate: that of `tls`, to be trusted.
    """

    plain: str
    tls: str
    certificate: Path
    _log: Path

    def bytes_sent(self) -> int:
        """Bytes of all answers so far, their heads included, that of TLS not."""
        _DIRECT.open(f"{self.plain}{_MARK}").close()  # one worker logs in order: what came before this is in the log
        return sum(int(line) for line in self._log.read_text().split())


@contextmanager
def nginx(files: Mapping[str, Path]) -> Iterator[Nginx]:
    """Serve files by their paths, each with its path as its ETag.

    Raises:
        FileNotFoundError: nginx or openssl is not installed.
        RuntimeError: it did not come up; the message ends with what it printed.
    """
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        certificate = _make_certificate(folder)
        plain, tls = _two_free_ports()
        (folder / "nginx.conf").write_text(_configuration(folder, files, plain, tls))
        output = folder / "output.txt"
        with output.open("wb") as stream:
            process = subprocess.Popen(
                ["nginx", "-p", scratch, "-e", str(output), "-c", str(folder / "nginx.conf")],
                stdout=stream,
                stderr=stream,
            )
        server = Nginx(f"http://localhost:{plain}", f"https://localhost:{tls}", certificate, folder / "bytes.log")
        try:
            _wait(process, server, output)
            yield server
        finally:
            process.terminate()
            process.wait()


def _configuration(folder: Path, files: Mapping[str, Path], plain: int, tls: int) -> str:
    """One worker; what else it is asked for is what a server of large files has."""
    locations = "\n".join(
        f'location = {path} {{ alias "{file}"; etag off; add_header ETag \'"{path[1:]}"\'; }}'
        for path, file in files.items()
    )
    temporary = "\n".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.geteuid() == 0 else ""
    return f"""
{user}
daemon off;
worker_processes 1;
pid {folder}/pid;
events {{ worker_connections 1024; }}
http {{
    sendfile on;
    tcp_nopush on;
    keepalive_requests 100000;
    log_format bytes $bytes_sent;
    access_log {folder}/bytes.log bytes;
    {temporary}
    server {{
        listen 127.0.0.1:{plain};
        listen 127.0.0.1:{tls} ssl;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate {folder}/certificate.pem;
        ssl_certificate_key {folder}/key.pem;
        location = {_MARK} {{ access_log off; return 204; }}
        {locations}
    }}
}}
"""


def _make_certificate(folder: Path) -> Path:
    """A certificate of this machine's own name, signed by itself, and beside it key.pem."""
    certificate = folder / "certificate.pem"
    made = f"-keyout {folder}/key.pem -out {certificate} -days 2 -subj /CN=localhost"
    names = "-addext subjectAltName=DNS:localhost,IP:127.0.0.1"
    kind = "-x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
    subprocess.run(f"openssl req {kind} {made} {names}".split(), check=True, capture_output=True)
    return certificate


def _two_free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as another:
        for probe in (one, another):
            probe.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1]), int(another.getsockname()[1])


def _wait(process: subprocess.Popen[bytes], server: Nginx, output: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            _DIRECT.open(f"{server.plain}{_MARK}").close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    process.kill()
    raise RuntimeError(f"nginx does not answer; it printed:\n{output.read_text()}")


def path_of(file: HubFile) -> str:
    """Where nginx has a weight file of the test Hub."""
    return f"/{file.sha256}"


class _Links:
    """Leads to nginx, which takes no notice of the signature."""

    def __init__(self, origin: str) -> None:
        self._origin = origin

    def signed_url(self, repo: str, file: HubFile) -> str:
        return f"{self._origin}{path_of(file)}?Signature=made-up"


def hub_before(origin: str, name: str, folder: str) -> HubServer:
    """A Hub with this one repository, whose weights lie at `origin`."""
    hub = HubServer()
    hub._hub.cdn = _Links(origin)
    hub.add_repo(name, folder)
    return hub
