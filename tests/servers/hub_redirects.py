"""Faults of redirects: they lead to where nothing answers as it should."""

from dataclasses import replace
from urllib.parse import urlsplit

from tests.servers.hub_faults import Fault
from tests.servers.hub_http import Response

LOOP_PATH = "/round-and-round"
"""Both hosts redirect this path to itself."""

UNKNOWN_HOST = "https://weights.invalid"
"""A name that no resolver knows (RFC 6761 section 6.4)."""


def redirect_loop(_: Response) -> Response:
    """Redirect to a path that redirects to itself."""
    return Response(302, {"Location": LOOP_PATH})


def moved_to(origin: str) -> Fault:
    """Redirects of the Hub to its CDN lead to the same path and query at another origin."""

    def moved(response: Response) -> Response:
        if "Location" not in response.headers:
            return response
        url = urlsplit(response.headers["Location"])
        return replace(response, headers={**response.headers, "Location": f"{origin}{url.path}?{url.query}"})

    return moved
