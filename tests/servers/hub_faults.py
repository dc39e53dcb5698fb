"""Faults for the test servers to commit: what goes wrong, and for which requests.

``server.faults.append(first(2, refuse(503), where=on_cdn))`` makes the CDN answer 503 to its first two requests.
A *hook* looks at a request and returns a *fault*, or None to let it pass; a fault turns the right response into a
wrong one. Hooks apply in order, each to what the one before it made. Here are the hooks, and the faults of servers and
connections; most of those of byte ranges are in `tests.servers.hub_ranges`, those of redirects in `hub_redirects`.
"""

import gzip
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from tests.servers.hub_http import FileBody, Response
from tests.servers.hub_log import Request

Fault = Callable[[Response], Response]
Hook = Callable[[Request], Fault | None]
Condition = Callable[[Request], bool]


def anywhere(request: Request) -> bool:
    """Every request."""
    return True


def on_cdn(request: Request) -> bool:
    """Requests for the bytes of large files."""
    return request.role == "cdn"


def on_hub(request: Request) -> bool:
    """Requests to the Hub itself: its API and the resolving of files."""
    return request.role == "hub"


def on_api(request: Request) -> bool:
    """Requests to the Hub's API: which commit, which files."""
    return on_hub(request) and request.path.startswith("/api/models/")


def on_resolve(request: Request) -> bool:
    """Requests to the Hub for a file, which it redirects where the file is large."""
    return on_hub(request) and "/resolve/" in request.path


def on_ranges(request: Request) -> bool:
    """Requests for a byte range, wherever to."""
    return request.range is not None


def always(fault: Fault, where: Condition) -> Hook:
    """The fault, for every request that fits."""
    return lambda request: fault if where(request) else None


def first(count: int, fault: Fault, where: Condition) -> Hook:
    """The fault, for the first ``count`` requests that fit."""
    left = iter(range(count))
    return lambda request: fault if where(request) and next(left, None) is not None else None


class sometimes:  # noqa: N801 - one hook among others
    """One of the faults, for a share of the requests that fit, chosen by a generator with a seed.

    Attributes:
        committed: how many requests were spoiled so far.
        passed: how many others fitted.
    """

    def __init__(self, rate: float, faults: Fault | Sequence[Fault], where: Condition, seed: int) -> None:
        self._rate = rate
        self._faults = faults if isinstance(faults, Sequence) else [faults]
        self._where = where
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self.committed = 0
        self.passed = 0

    def __call__(self, request: Request) -> Fault | None:
        if not self._where(request):
            return None
        with self._lock:
            if self._random.random() >= self._rate:
                self.passed += 1
                return None
            self.committed += 1
            return self._random.choice(self._faults)


def refuse(status: int, retry_after: int | str | None = None) -> Fault:
    """Answer with this status and no more; ``retry_after`` in seconds, or as the header is to be (see `http_date`)."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return lambda _: Response(status, headers, b"refused on purpose")


def http_date(seconds: float) -> str:
    """So many seconds from now, as HTTP writes dates (in whole seconds)."""
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


def expired(_: Response) -> Response:
    """What the CDN says to a URL whose time has come."""
    body = b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
    return Response(403, {"Content-Type": "application/xml", "Server": "CloudFront"}, body)


def error_page(response: Response) -> Response:
    """A page of HTML under the right status and headers, its own length and type apart."""
    headers = {**response.headers, "Content-Type": "text/html"}
    return replace(response, headers=headers, body=b"<!doctype html><title>Please sign in</title>")


def truncate(after: int) -> Fault:
    """Promise the whole body, break the connection after so many bytes of it."""
    return lambda response: replace(response, cut_after=after)


def reset_after(count: int | None) -> Fault:
    """Reset the connection after so many bytes of the body, or before any answer where None."""
    return lambda response: replace(response, cut_after=count, reset=True)


def drip_head(response: Response) -> Response:
    """Send status line and headers a byte at a time, as a slow-loris does."""
    return replace(response, drips="head")


def drip_body(response: Response) -> Response:
    """Send the body a byte at a time."""
    return replace(response, drips="body")


def gzip_encoded(response: Response) -> Response:
    """Compress the body, and say so."""
    headers = {**response.headers, "Content-Encoding": "gzip"}
    return replace(response, headers=headers, body=gzip.compress(response.content, compresslevel=1))


def ignore_range(response: Response) -> Response:
    """Answer a range request with 200 and the whole file."""
    if not isinstance(response.body, FileBody):
        return response
    headers = {name: value for name, value in response.headers.items() if name != "Content-Range"}
    return Response(200, headers, FileBody(response.body.path, 0, response.body.path.stat().st_size))


def shift_range(by: int) -> Fault:
    """Answer 206 with another range of the same length, as far off as the file allows, and say so in Content-Range."""

    def shifted(response: Response) -> Response:
        if response.status != 206 or not isinstance(response.body, FileBody):
            return response
        size = int(response.headers["Content-Range"].rpartition("/")[2])
        body = response.body
        body = replace(body, offset=min(max(body.offset + by, 0), size - body.length))
        content_range = f"bytes {body.offset}-{body.offset + body.length - 1}/{size}"
        return replace(response, headers={**response.headers, "Content-Range": content_range}, body=body)

    return shifted
