"""Faults of answers to range requests: other bytes than those asked for, or nothing to tell them by.

Those that take an answer's Content-Range apart leave answers without one as they are.
"""

import re
from dataclasses import replace

from tests.servers.hub_faults import Fault, error_page
from tests.servers.hub_http import Response

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


def say_range(begin: int = 0, end: int = 0, total: int | None = 0) -> Fault:
    """Say another Content-Range about the right bytes.

    Args:
        begin, end: how far off the first and the last byte are said to be.
        total: likewise the size of the file; None says ``*``, not known.
    """

    def said(response: Response) -> Response:
        match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if match is None:
            return response
        first, last, size = map(int, match.groups())
        said_size = "*" if total is None else str(size + total)
        content_range = f"bytes {max(first + begin, 0)}-{last + end}/{said_size}"
        return replace(response, headers={**response.headers, "Content-Range": content_range})

    return said


def without_content_range(response: Response) -> Response:
    """The right bytes, but nothing says which they are."""
    headers = {name: value for name, value in response.headers.items() if name != "Content-Range"}
    return replace(response, headers=headers)


def as_if_whole(response: Response) -> Response:
    """The right bytes under the status of a whole file."""
    return replace(without_content_range(response), status=200) if response.status == 206 else response


def whole_with_range(response: Response) -> Response:
    """The right bytes and the right Content-Range, under a status that gives that header no meaning."""
    return replace(response, status=200) if response.status == 206 else response


def says_gzip(response: Response) -> Response:
    """Say that the right bytes are compressed."""
    return replace(response, headers={**response.headers, "Content-Encoding": "gzip"})


def resized(by: int) -> Fault:
    """So many bytes more or fewer than the Content-Range says, and a Content-Length that agrees with the bytes."""

    def other(response: Response) -> Response:
        if response.status != 206:
            return response
        content = response.content
        return replace(response, body=content + b"x" * by if by > 0 else content[:by])

    return other


def unmeasured(by: int) -> Fault:
    """So many bytes more or fewer than the Content-Range says, and no Content-Length to tell it by."""
    other = resized(by)
    return lambda response: replace(other(response), measured=response.status != 206)


def unmeasured_page(response: Response) -> Response:
    """A page of HTML under the right status and headers, without a length that would tell it from the right bytes."""
    return replace(error_page(response), measured=False) if response.status == 206 else response


def overflow(count: int) -> Fault:
    """Send so many bytes more than Content-Length says, where the next answer of the connection would begin."""

    def over(response: Response) -> Response:
        headers = {**response.headers, "Content-Length": str(response.length)}
        return replace(response, headers=headers, body=response.content + b"x" * count)

    return over


def other_etag(response: Response) -> Response:
    """The right bytes under another ETag."""
    return replace(response, headers={**response.headers, "ETag": f'"{"0" * 64}"'})


def other_file(response: Response) -> Response:
    """Another file of the same size, as its ETag says, lies behind the URL."""
    if response.status not in (200, 206):
        return response
    return replace(other_etag(response), body=bytes(byte ^ 0xFF for byte in response.content))
