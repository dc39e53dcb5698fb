"""Faults for the test Hub to commit: what goes wrong, and for which requests.

``server.faults.append(first(2, refuse(503), where=on_cdn))`` makes the CDN answer 503 to its first two requests.
A *hook* looks at a request and returns a *fault*, or None to let it pass; a fault turns the right response into a
wrong one. Hooks apply in order, each to what the one before it made.
"""

from collections.abc import Callable
from dataclasses import replace

from tests.servers.hub_http import FileBody, Response
from tests.servers.hub_log import Request

Fault = Callable[[Response], Response]
Hook = Callable[[Request], Fault | None]
Condition = Callable[[Request], bool]


def on_cdn(request: Request) -> bool:
    """Requests for the bytes of large files."""
    return request.role == "cdn"


def on_hub(request: Request) -> bool:
    """Requests to the Hub itself: its API and the resolving of files."""
    return request.role == "hub"


def always(fault: Fault, where: Condition) -> Hook:
    """The fault, for every request that fits."""
    return lambda request: fault if where(request) else None


def first(count: int, fault: Fault, where: Condition) -> Hook:
    """The fault, for the first ``count`` requests that fit."""
    left = iter(range(count))
    return lambda request: fault if where(request) and next(left, None) is not None else None


def refuse(status: int, retry_after: int | None = None) -> Fault:
    """Answer with this status and no more; ``retry_after`` in seconds."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return lambda _: Response(status, headers, b"refused on purpose")


def truncate(after: int) -> Fault:
    """Promise the whole body, break the connection after so many bytes of it."""
    return lambda response: replace(response, cut_after=after)


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
