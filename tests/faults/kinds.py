"""The faults of the matrix, each with the requests that it is committed at."""

from collections.abc import Sequence
from typing import NamedTuple

from tests.servers.hub import HubServer
from tests.servers.hub_faults import (
    Condition,
    Fault,
    anywhere,
    drip_body,
    drip_head,
    error_page,
    expired,
    gzip_encoded,
    http_date,
    ignore_range,
    on_cdn,
    on_ranges,
    on_resolve,
    refuse,
    reset_after,
    shift_range,
    sometimes,
    truncate,
)
from tests.servers.hub_http import Response
from tests.servers.hub_log import Request
from tests.servers.hub_ranges import (
    as_if_whole,
    other_etag,
    other_file,
    overflow,
    resized,
    say_range,
    unmeasured,
    without_content_range,
)
from tests.servers.hub_redirects import UNKNOWN_HOST, moved_to, redirect_loop


class Kind(NamedTuple):
    """A fault, where it is committed, and whether a tenth of it may cost the model.

    Such a fault is not of one request but sticks: an ETag that a first answer gave, a certificate.
    """

    fault: Fault
    where: Condition
    may_cost: bool = False


def on_files(request: Request) -> bool:
    """Requests for the content of a file."""
    return on_cdn(request) or (on_resolve(request) and request.method == "GET")


ANSWERS: dict[str, Kind] = {
    "429": Kind(refuse(429), anywhere),
    "429_with_seconds": Kind(refuse(429, retry_after=1), anywhere),
    "429_with_a_date": Kind(refuse(429, retry_after=http_date(0)), anywhere),
    "500": Kind(refuse(500), anywhere),
    "502": Kind(refuse(502), anywhere),
    "503": Kind(refuse(503), anywhere),
    "504": Kind(refuse(504), anywhere),
    "reset_before_the_answer": Kind(reset_after(None), anywhere),
    "reset_in_the_body": Kind(reset_after(700), on_files),
    "truncated": Kind(truncate(700), on_files),
    "another_range": Kind(shift_range(2), on_ranges),
    "wrong_content_range": Kind(say_range(begin=-1), on_ranges),
    "no_content_range": Kind(without_content_range, on_ranges),
    "whole_file": Kind(ignore_range, on_ranges),
    "as_if_whole": Kind(as_if_whole, on_ranges),
    "wrong_total": Kind(say_range(total=1), on_ranges),
    "less_than_asked": Kind(resized(-1), on_ranges),
    "more_than_asked": Kind(resized(1), on_ranges),
    "more_than_said": Kind(overflow(300), on_ranges),
    "less_than_asked_and_unsaid": Kind(unmeasured(-1), on_ranges),
    "more_than_asked_and_unsaid": Kind(unmeasured(1), on_ranges),
    "changed_etag": Kind(other_etag, on_cdn, may_cost=True),
    "another_file": Kind(other_file, on_cdn, may_cost=True),
    "slow_head": Kind(drip_head, anywhere),
    "slow_body": Kind(drip_body, on_files),
    "redirect_loop": Kind(redirect_loop, anywhere),
    "expired_signature": Kind(expired, on_cdn),
    "gzip": Kind(gzip_encoded, on_files),
    "html": Kind(error_page, on_files),
}
"""Faults of answers, by name."""


def elsewhere(hub: HubServer, untrusted: str) -> dict[str, Kind]:
    """Faults of the hosts that the Hub redirects to.

    Args:
        untrusted: origin of a host whose certificate is not to be trusted.
    """
    return {
        "dns": Kind(moved_to(UNKNOWN_HOST), on_resolve, may_cost=True),
        "no_tls": Kind(moved_to(hub.cdn_endpoint.replace("http:", "https:")), on_resolve, may_cost=True),
        "untrusted": Kind(moved_to(untrusted), on_resolve, may_cost=True),
    }


class one_or_another(sometimes):  # noqa: N801 - a hook, as `sometimes` is
    """One of several kinds of fault, for a share of all requests; of those that are committed at such a request."""

    def __init__(self, rate: float, kinds: Sequence[Kind], seed: int, where: Condition = anywhere) -> None:
        super().__init__(rate, [_chosen], where, seed)
        self._kinds = kinds

    def __call__(self, request: Request) -> Fault | None:
        if super().__call__(request) is None:
            return None
        with self._lock:
            return self._random.choice([kind.fault for kind in self._kinds if kind.where(request)])


def _chosen(response: Response) -> Response:
    return response
