"""The host that large files are served from: whoever holds a signed URL may read, and no token is wanted."""

import hashlib
import hmac
import secrets
import time
from urllib.parse import quote, urlencode

from tests.servers.hub_http import Response, file_response
from tests.servers.hub_log import Request
from tests.servers.hub_repos import HubFile

_DENIED = b"<Error><Code>AccessDenied</Code><Message>Access denied</Message></Error>"
_LIFETIME_SECONDS = 3600


class Cdn:
    """Signs URLs and serves the files behind them.

    Attributes:
        origin: scheme, host and port, known once the listener has a port.
    """

    def __init__(self) -> None:
        self.origin = ""
        self._key = secrets.token_bytes(32)
        self._files: dict[str, tuple[str, HubFile]] = {}

    def signed_url(self, repo: str, file: HubFile) -> str:
        """A URL of the file that expires, in the form of the real one (CloudFront's)."""
        path = f"/xet-bridge-us/{hashlib.sha1(repo.encode()).hexdigest()[:24]}/{file.sha256}"
        self._files[path] = (repo, file)
        expires = str(int(time.time()) + _LIFETIME_SECONDS)
        disposition = f'inline; filename="{quote(file.name.rpartition("/")[2])}";'
        query = {
            "response-content-disposition": disposition,
            "Expires": expires,
            "Policy": hashlib.sha256(f"{path}{expires}".encode()).hexdigest(),
            "Signature": self._signature(path, expires),
            "Key-Pair-Id": "K2L8F4GPSG1IFC",
        }
        return f"{self.origin}{path}?{urlencode(query)}"

    def expire_urls(self) -> None:
        """Let every URL signed so far be refused, as if its time had come."""
        self._key = secrets.token_bytes(32)

    def answer(self, request: Request) -> Response:
        """200, 206 or 416 with a good signature, else 403."""
        expires, signature = (request.query.get(name, [""])[0] for name in ("Expires", "Signature"))
        signed = hmac.compare_digest(signature, self._signature(request.path, expires))
        if request.path not in self._files or not signed or int(expires) < time.time():
            return Response(403, {"Content-Type": "application/xml", "Server": "CloudFront"}, _DENIED)
        request.repo, file = self._files[request.path]
        request.file = file.name
        return file_response(request, file.path, {"ETag": f'"{file.sha256}"'})

    def _signature(self, path: str, expires: str) -> str:
        return hmac.new(self._key, f"{path} {expires}".encode(), "sha256").hexdigest()
