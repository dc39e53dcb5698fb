"""A list of the Hub's API, page by page. The pages come from the Hub that was asked, and from no other host."""

import re
from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import urljoin

from huggingface_hub import get_session
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status

from gated_ray.errors import InputError
from gated_ray.sources.hub_errors import translated_errors
from gated_ray.sources.remote.deadline import within
from gated_ray.sources.remote.retry import retried
from gated_ray.sources.resolving import ANSWER_SECONDS, origin_of

_URL = re.compile(r"[!-~]{1,16384}")
"""Others make huggingface_hub's HTTP client raise errors of its own."""


def hub_pages(endpoint: str, url: str, what: str) -> Iterator[list[Any]]:
    """The pages of a list, each when it is asked for, and again where it does not come.

    huggingface_hub's own paging sends the token wherever the next page is said to be, waits without end for a server that
    is silent, and starts again from the first page where one does not come.

    Args:
        endpoint: of the Hub.
        url: of the first page.
        what: the list as messages name it.

    Raises:
        InputError: what is not a list, goes on at another host, or in a circle; and see `translated_errors`.
        TransientError: a page does not come, however often it is asked for.
    """
    asked: set[str] = set()
    following: str | None = url
    while following is not None:
        if following in asked:
            raise InputError(f"{what}: the pages of the listing go in a circle; check HF_ENDPOINT")
        asked.add(following)
        page, following = retried(partial(_page, endpoint, following, what))
        yield page


def _page(endpoint: str, url: str, what: str) -> tuple[list[Any], str | None]:
    """What is on a page, and the URL of the next one."""
    with translated_errors(endpoint, what):
        page, following = within(what, partial(_answer, url))
        there = origin_of(following) if following else None
    if not isinstance(page, list):
        raise InputError(f"{what}: the Hub answers with no list; check HF_ENDPOINT")
    if there and there != origin_of(endpoint):
        raise InputError(
            f"{what}: the listing goes on at {there[0]}://{there[1]}:{there[2]}, which the token must not be sent to; "
            "if that is the Hub, set HF_ENDPOINT to it"
        )
    return page, following


def _answer(url: str) -> tuple[Any, str | None]:
    answer = get_session().request("GET", url, headers=build_hf_headers(), timeout=ANSWER_SECONDS)
    hf_raise_for_status(answer)
    link = answer.links.get("next", {}).get("url")
    following = urljoin(str(answer.url), link) if link else None
    if following and not _URL.fullmatch(following):
        raise ValueError("no URL")
    return answer.json(), following
