"""Where the bytes of a file of the Hub are."""

from urllib.parse import urljoin, urlsplit

from huggingface_hub import constants, get_session
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status

from gated_ray.errors import InputError, TransientError

ANSWER_SECONDS = 30
"""Between two bytes of an answer of the Hub."""
DEFAULT_PORTS = {"http": 80, "https": 443}
_MOST_REDIRECTS = 5
_MOST_URL = 16 << 10
"""Characters; huggingface_hub's client raises an error of its own on one of 64 Ki."""


def locate(url: str, what: str) -> tuple[str, int]:
    """Where a file's bytes are, and how many.

    huggingface_hub's own `get_hf_file_metadata` takes the token along to any Hub that it knows; here it stays with the one
    that was asked.

    Args:
        url: of the file at the Hub.
        what: the file as messages name it.

    Returns:
        The URL, maybe signed, and the size.

    Raises:
        InputError: nobody says how many bytes.
        TransientError: redirects without end.
        Exception: huggingface_hub's errors, see `translated_errors`.
    """
    size = ""
    for _ in range(_MOST_REDIRECTS):
        headers = build_hf_headers() | {"Accept-Encoding": "identity"}
        answer = get_session().request("HEAD", url, headers=headers, follow_redirects=False, timeout=ANSWER_SECONDS)
        hf_raise_for_status(answer)
        redirect = answer.headers.get("Location", "")
        if len(redirect) > _MOST_URL:
            raise TransientError(f"{what}: {_said(url)} redirects to a URL of {len(redirect)} characters")
        size = size or answer.headers.get(constants.HUGGINGFACE_HEADER_X_LINKED_SIZE, "")
        target = urljoin(url, redirect)
        if not redirect or origin_of(target) != origin_of(url):
            size = size or ("" if redirect else answer.headers.get("Content-Length", ""))
            if not size.isdecimal():
                raise InputError(
                    f"{what}: {_said(url)} sends us to {_said(target)} and does not say its size; if that is the Hub, "
                    "set HF_ENDPOINT to it"
                )
            return target, int(size)
        url = target
    raise TransientError(f"{what}: the Hub redirects in a circle")


def origin_of(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of a URL, as RFC 6454 compares them.

    Raises:
        ValueError: the port is no number.
    """
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or DEFAULT_PORTS.get(parts.scheme)


def _said(url: str) -> str:
    """Of a URL, what no signature is in."""
    scheme, host, port = origin_of(url)
    return f"{scheme}://{host}" + ("" if port == DEFAULT_PORTS.get(scheme) else f":{port}")
