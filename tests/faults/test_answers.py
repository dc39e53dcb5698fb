"""What a server answers to a request for bytes: taken if it is right, else asked again, else one clear line; never data."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from gated_ray.architectures.finding import find_blocks
from gated_ray.errors import AccessError, CheckpointError, GatedRayError, InputError, TransientError
from gated_ray.sources.checkpoint import Checkpoint, open_checkpoint, open_origin
from gated_ray.sources.slices import TensorSlice
from tests.checkpoints.sound import FIRST
from tests.faults.conftest import REPO, Clock
from tests.servers.hub import HubServer
from tests.servers.hub_faults import (
    Fault,
    always,
    error_page,
    expired,
    first,
    gzip_encoded,
    ignore_range,
    on_cdn,
    on_hub,
    on_resolve,
    refuse,
    reset_after,
    shift_range,
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
    says_gzip,
    unmeasured,
    unmeasured_page,
    whole_with_range,
    without_content_range,
)
from tests.servers.hub_redirects import UNKNOWN_HOST, moved_to, redirect_loop
from tests.servers.hub_tls import untrusted_host
from tests.sources.reading import read_bytes, stored_bytes

ATTEMPTS = 6

PASSING: dict[str, Fault] = {
    "429": refuse(429),
    "500": refuse(500),
    "502": refuse(502),
    "503": refuse(503),
    "504": refuse(504),
    "reset_before_the_answer": reset_after(None),
    "reset_before_the_body": reset_after(0),
    "cut_before_the_body": truncate(0),
    "whole_file": ignore_range,
    "as_if_whole": as_if_whole,
    "another_range": shift_range(2),
    "says_an_earlier_byte": say_range(begin=-1),
    "says_a_later_end": say_range(end=1),
    "says_no_size": say_range(total=None),
    "says_no_range": without_content_range,
    "less_than_asked": resized(-1),
    "more_than_asked": resized(+1),
    "more_than_asked_and_unsaid": unmeasured(+1),
    "less_than_asked_and_unsaid": unmeasured(-1),
    "whole_with_range": whole_with_range,
    "gzip": gzip_encoded,
    "says_gzip": says_gzip,
    "html": error_page,
    "html_and_unsaid": unmeasured_page,
    "redirect_loop": redirect_loop,
    "no_content": lambda _: Response(204),
    "not_modified": lambda _: Response(304),
}
"""Faults of one answer that the next one may not have: TransientError if they all do."""

CHANGED: dict[str, Fault] = {
    "416": refuse(416),
    "another_size": say_range(total=1),
    "another_etag": other_etag,
    "another_file": other_file,
}
"""Answers as of another file than the one that was resolved: CheckpointError if they all are."""

ELSEWHERE: dict[str, tuple[str, str]] = {
    "unknown_host": (UNKNOWN_HOST, "no host weights.invalid is known"),
    "nobody_listens": ("http://localhost:9", "cannot connect to localhost"),
    "no_tls": ("https", "no TLS connection to localhost"),
}
"""Origins that the Hub redirects to in vain, and what is said of them."""


@pytest.fixture
def part(checkpoint: Checkpoint, hub: HubServer) -> TensorSlice:
    """A matrix of the first shard."""
    (found,) = (part for part in find_blocks(checkpoint)[0].slices if part.name.endswith("mlp.gate_proj.weight"))
    assert found.record.file.path == FIRST
    return found


def refusal(checkpoint: Checkpoint, part: TensorSlice, kind: type[GatedRayError], begin: int | None = None) -> str:
    """What reading ends with: one line that names the file and the offset, and no part of a signed URL."""
    origin = open_origin(checkpoint.location)
    with pytest.raises(kind) as caught:
        read_bytes(checkpoint, [part], origin)
    assert type(caught.value) is kind
    message = str(caught.value)
    assert message.startswith(f"{REPO}: {FIRST} at byte {part.begin if begin is None else begin}: ")
    assert not re.search(r"[\n?]|Signature|Policy|Key-Pair|xet-bridge|://", message)
    return message


@pytest.mark.parametrize("name", PASSING)
def test_what_passes_is_asked_again(
    hub: HubServer, checkpoint: Checkpoint, folder: Path, part: TensorSlice, clock: Clock, name: str
) -> None:
    hub.faults.append(first(ATTEMPTS - 1, PASSING[name], on_cdn))
    assert read_bytes(checkpoint, [part]) == stored_bytes(folder, [part])
    ranges = [request.range for request in hub.cdn_requests() if "round" not in request.path]
    assert ranges == [f"bytes={part.begin}-{part.end - 1}"] * ATTEMPTS
    assert len(clock.slept) == ATTEMPTS - 1
    for number, seconds in enumerate(clock.slept):
        assert 0.25 * 2**number <= seconds <= 0.5 * 2**number, "doubling, with jitter"


@pytest.mark.parametrize("name", PASSING)
def test_what_does_not_pass_is_given_up(
    hub: HubServer, checkpoint: Checkpoint, part: TensorSlice, clock: Clock, name: str
) -> None:
    hub.faults.append(always(PASSING[name], on_cdn))
    assert refusal(checkpoint, part, TransientError).endswith(f", {ATTEMPTS} times")
    assert sum("round" not in request.path for request in hub.cdn_requests()) == ATTEMPTS
    assert len(clock.slept) == ATTEMPTS - 1


@pytest.mark.parametrize("name", CHANGED)
def test_another_file_behind_the_same_url(
    hub: HubServer, checkpoint: Checkpoint, folder: Path, part: TensorSlice, clock: Clock, name: str
) -> None:
    """A cache may hold an older file for a while, so it is asked again; then the file is what changed."""
    origin = open_origin(checkpoint.location)
    read_bytes(checkpoint, [part], origin)
    hub.faults.append(first(ATTEMPTS - 1, CHANGED[name], on_cdn))
    assert read_bytes(checkpoint, [part], origin) == stored_bytes(folder, [part])
    hub.faults.append(always(CHANGED[name], on_cdn))
    hub.clear_log()
    with pytest.raises(CheckpointError, match=rf"^{REPO}: {FIRST} at byte {part.begin}: .*; run again") as caught:
        read_bytes(checkpoint, [part], origin)
    assert len(hub.cdn_requests()) == ATTEMPTS
    assert not isinstance(caught.value, TransientError)


@pytest.mark.parametrize("fault", [other_file, other_etag])
def test_another_file_at_the_first_request_of_a_worker(
    hub: HubServer, checkpoint: Checkpoint, folder: Path, part: TensorSlice, clock: Clock, fault: Fault
) -> None:
    """What tells it is the header's answer, in the process that opened the checkpoint."""
    hub.faults.append(first(1, fault, on_cdn))
    assert read_bytes(checkpoint, [part]) == stored_bytes(folder, [part])
    hub.faults.append(always(fault, on_cdn))
    refusal(checkpoint, part, CheckpointError)


@pytest.mark.parametrize("status", [404, 410])
def test_a_file_that_is_gone_is_not_asked_for_again(
    hub: HubServer, checkpoint: Checkpoint, part: TensorSlice, clock: Clock, status: int
) -> None:
    hub.faults.append(always(refuse(status), on_cdn))
    assert f"no longer there ({status})" in refusal(checkpoint, part, CheckpointError)
    assert len(hub.cdn_requests()) == 1
    assert clock.slept == []


def test_a_signed_url_that_expired_is_made_anew_once_and_at_once(
    hub: HubServer, checkpoint: Checkpoint, folder: Path, part: TensorSlice, clock: Clock
) -> None:
    origin = open_origin(checkpoint.location)
    read_bytes(checkpoint, [part], origin)
    hub.expire_urls()
    hub.clear_log()
    assert read_bytes(checkpoint, [part], origin) == stored_bytes(folder, [part])
    assert [request.status for request in hub.cdn_requests()] == [403, 206]
    assert len(hub.hub_requests()) == 1
    assert clock.slept == []


def test_signed_urls_that_stay_refused(hub: HubServer, checkpoint: Checkpoint, part: TensorSlice, clock: Clock) -> None:
    """Each of the attempts has one that was made anew."""
    hub.faults.append(always(expired, on_cdn))
    assert "refused the signed link (403)" in refusal(checkpoint, part, AccessError)
    assert len(hub.cdn_requests()) == 2 * ATTEMPTS
    assert len(hub.hub_requests()) == 2 * ATTEMPTS
    assert len(clock.slept) == ATTEMPTS - 1


@pytest.mark.parametrize(("status", "kind"), [(401, AccessError), (403, AccessError), (404, InputError)])
def test_what_the_hub_itself_refuses_is_not_asked_again(
    hub: HubServer, checkpoint: Checkpoint, part: TensorSlice, clock: Clock, status: int, kind: type[GatedRayError]
) -> None:
    hub.faults.append(always(refuse(status), on_resolve))
    with pytest.raises(kind, match=f"^{REPO}: "):
        read_bytes(checkpoint, [part])
    assert [request.status for request in hub.log] == [status]
    assert clock.slept == []


@pytest.mark.parametrize(("status", "kind"), [(401, AccessError), (403, AccessError), (404, CheckpointError)])
def test_a_small_file_that_the_hub_refuses(
    hub: HubServer, folder: Path, clock: Clock, status: int, kind: type[GatedRayError]
) -> None:
    """Such files lie on the Hub itself, whose 403 is no sign of an old URL."""
    hub.add_repo(REPO, folder)
    hub.faults.append(always(refuse(status), _is_get))
    with pytest.raises(kind, match=rf"^{REPO}: config\.json at byte 0: "):
        open_checkpoint(REPO)
    assert [request.status for request in hub.log if _is_get(request)] == [status]
    assert clock.slept == []


def test_the_hub_falters(hub: HubServer, folder: Path, clock: Clock) -> None:
    hub.add_repo(REPO, folder)
    hub.faults.append(first(ATTEMPTS - 1, refuse(502), on_hub))
    assert open_checkpoint(REPO).tensors
    assert len(clock.slept) == ATTEMPTS - 1


def test_the_hub_falters_on_every_file(hub: HubServer, checkpoint: Checkpoint, part: TensorSlice, clock: Clock) -> None:
    hub.faults.append(always(refuse(502), on_resolve))
    with pytest.raises(TransientError, match=f"^{REPO}: the Hub answered 502"):
        read_bytes(checkpoint, [part])
    assert len(hub.log) == ATTEMPTS


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_storage_host_that_cannot_be_reached(
    hub: HubServer, checkpoint: Checkpoint, part: TensorSlice, clock: Clock, name: str
) -> None:
    origin, said = ELSEWHERE[name]
    if origin == "https":
        origin = hub.cdn_endpoint.replace("http:", "https:")
    hub.faults.append(always(moved_to(origin), on_resolve))
    assert said in refusal(checkpoint, part, TransientError)
    assert len(clock.slept) == ATTEMPTS - 1


def test_a_redirect_of_any_length(hub: HubServer, checkpoint: Checkpoint, part: TensorSlice, clock: Clock) -> None:
    hub.faults.append(always(lambda _: Response(302, {"Location": "/" + "x" * 70_000}), on_resolve))
    with pytest.raises(TransientError, match=rf"^{REPO}: {FIRST}: .* redirects to a URL of 70001 characters$"):
        read_bytes(checkpoint, [part])


def test_a_header_that_looks_like_a_status(
    hub: HubServer, checkpoint: Checkpoint, folder: Path, part: TensorSlice, clock: Clock
) -> None:
    def odd(response: Response) -> Response:
        return replace(response, headers={"HTTP/": "x", "HTTP/1.1": "1", **response.headers})

    hub.faults.append(always(odd, on_cdn))
    assert read_bytes(checkpoint, [part]) == stored_bytes(folder, [part])
    assert clock.slept == []


def test_a_link_that_is_not_ascii(hub: HubServer, checkpoint: Checkpoint, part: TensorSlice, clock: Clock) -> None:
    """No URL has such letters, but servers send them."""
    hub.faults.append(always(moved_to(hub.cdn_endpoint + "/größe"), on_resolve))
    refusal(checkpoint, part, AccessError)


@pytest.mark.parametrize("name", ELSEWHERE)
def test_the_hub_may_redirect_elsewhere_the_next_time(
    hub: HubServer, checkpoint: Checkpoint, folder: Path, part: TensorSlice, clock: Clock, name: str
) -> None:
    """A host that cannot be reached is no reason to ask it alone for the next 50 minutes."""
    origin = ELSEWHERE[name][0]
    if origin == "https":
        origin = hub.cdn_endpoint.replace("http:", "https:")
    hub.faults.append(first(1, moved_to(origin), on_resolve))
    assert read_bytes(checkpoint, [part]) == stored_bytes(folder, [part])


def test_a_host_that_cannot_be_trusted_is_not_asked_again(
    hub: HubServer, checkpoint: Checkpoint, part: TensorSlice, clock: Clock, tmp_path: Path
) -> None:
    with untrusted_host(tmp_path) as origin:
        hub.faults.append(always(moved_to(origin), on_resolve))
        assert "SSL_CERT_FILE" in refusal(checkpoint, part, InputError)
    assert len(hub.hub_requests()) == 1
    assert clock.slept == []


def test_bytes_behind_the_end_of_an_answer_do_not_reach_the_next(
    hub: HubServer, checkpoint: Checkpoint, folder: Path, clock: Clock
) -> None:
    """They would be where the next answer of the connection begins."""
    hub.faults.append(always(overflow(5000), on_cdn))
    slices = find_blocks(checkpoint)[0].slices
    origin = open_origin(checkpoint.location)
    for part in slices:
        assert read_bytes(checkpoint, [part], origin) == stored_bytes(folder, [part])


def test_a_small_file_that_breaks_off_again_and_again(hub: HubServer, folder: Path, clock: Clock) -> None:
    hub.add_repo(REPO, folder)
    hub.faults.append(always(truncate(100), _is_config))
    assert open_checkpoint(REPO).config["model_type"] == "llama"
    asked = [request.range for request in hub.log if _is_config(request)]
    size = (folder / "config.json").stat().st_size
    assert asked == [None, *(f"bytes={begin}-{size - 1}" for begin in range(100, size, 100))]


@pytest.mark.parametrize("fault", [gzip_encoded, error_page])
def test_a_small_file_that_is_another(hub: HubServer, folder: Path, clock: Clock, fault: Fault) -> None:
    hub.add_repo(REPO, folder)
    hub.faults.append(always(fault, _is_config))
    with pytest.raises(TransientError, match=rf"^{REPO}: config\.json at byte 0: .*, {ATTEMPTS} times"):
        open_checkpoint(REPO)
    hub.faults = [first(ATTEMPTS - 1, fault, _is_config)]
    assert open_checkpoint(REPO).config["model_type"] == "llama"


def _is_config(request: Request) -> bool:
    return request.file == "config.json" and request.method == "GET"


def _is_get(request: Request) -> bool:
    return on_resolve(request) and request.method == "GET"
