"""Bodies that break off, stall or crawl: the next request goes on behind the last good byte."""

import re
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gated_ray.errors import TransientError
from gated_ray.sources.checkpoint import open_origin
from gated_ray.sources.origin import FileVersion, Location, Origin, Span
from gated_ray.sources.remote.engine import Engine
from tests.faults.conftest import Clock
from tests.servers.hub import HubServer
from tests.servers.hub_faults import Fault, always, drip_body, drip_head, first, on_cdn, reset_after, truncate
from tests.servers.hub_http import FileBody, Response
from tests.servers.hub_ranges import unmeasured

REPO = "org/random"
WEIGHTS = "model.safetensors"
SIZE = 12 << 20
MIB = 1 << 20


@pytest.fixture(scope="module")
def content() -> bytes:
    return np.random.default_rng(0).bytes(SIZE)


@pytest.fixture(scope="module")
def random_folder(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("random")
    (folder / WEIGHTS).write_bytes(content)
    return folder


@pytest.fixture
def origin(hub: HubServer, random_folder: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Origin:
    monkeypatch.setenv("HF_HUB_DOWNLOAD_TIMEOUT", "1")
    commit = hub.add_repo(REPO, random_folder)
    return open_origin(Location("hub", REPO, commit, hub.endpoint))


def read(origin: Origin, span: Span) -> bytes:
    return bytes(origin.read_spans(FileVersion(WEIGHTS, SIZE, "any"), [span])[0])


def ranges(hub: HubServer) -> list[tuple[int, int]]:
    found = [re.fullmatch(r"bytes=(\d+)-(\d+)", request.range or "") for request in hub.cdn_requests()]
    return [(int(match[1]), int(match[2])) for match in found if match]


@pytest.mark.parametrize("breaks", [truncate(1000), reset_after(1000)], ids=["truncated", "reset"])
def test_the_next_request_begins_behind_the_last_good_byte(
    hub: HubServer, origin: Origin, content: bytes, clock: Clock, breaks: Fault
) -> None:
    hub.faults.append(always(breaks, on_cdn))
    assert read(origin, (5000, 8500)) == content[5000:8500]
    assert ranges(hub) == [(begin, 8499) for begin in (5000, 6000, 7000, 8000)]
    assert len(clock.slept) == 3


def test_what_a_wrong_answer_brings_is_not_gone_on_from(hub: HubServer, origin: Origin, content: bytes) -> None:
    """A body of the wrong range that breaks off has brought no good byte."""

    def wrong_and_broken(response: Response) -> Response:
        assert isinstance(response.body, FileBody)
        said = f"bytes 5001-8499/{SIZE}"
        return replace(response, headers={**response.headers, "Content-Range": said}, cut_after=1000)

    hub.faults.append(first(3, wrong_and_broken, on_cdn))
    assert read(origin, (5000, 8500)) == content[5000:8500]
    assert ranges(hub) == [(5000, 8499)] * 4


@pytest.mark.parametrize("by", [-1, 1])
def test_an_answer_of_another_length_brings_no_good_byte(
    hub: HubServer, origin: Origin, content: bytes, by: int
) -> None:
    """More than fits into one piece of the body, and all of it wrong: a byte was lost, or put in, at the beginning."""

    def moved(response: Response) -> Response:
        body = b"x" + response.content if by > 0 else response.content[1:]
        return replace(unmeasured(by)(response), body=body)

    hub.faults.append(first(1, moved, on_cdn))
    assert read(origin, (0, 3 * MIB)) == content[: 3 * MIB]


def test_a_connection_that_breaks_after_every_megabyte_gets_there(
    hub: HubServer, origin: Origin, content: bytes, clock: Clock
) -> None:
    """Twelve faults in a row are more than the attempts: each has made progress."""
    hub.faults.append(always(truncate(MIB), on_cdn))
    assert read(origin, (0, SIZE)) == content
    begins = sorted(begin for begin, _ in ranges(hub))
    assert begins == [index * MIB for index in range(12)]


def test_a_connection_that_breaks_at_once_does_not(hub: HubServer, origin: Origin) -> None:
    hub.faults.append(always(truncate(1000), on_cdn))
    with pytest.raises(
        TransientError, match=rf"^{REPO}: {WEIGHTS} at byte 5000: 1000 of 45000 bytes came: .*, 6 times$"
    ):
        read(origin, (0, 50_000))
    assert len(ranges(hub)) == 6


@pytest.mark.parametrize("fault", [drip_head, drip_body])
def test_a_slow_loris_is_abandoned(hub: HubServer, origin: Origin, content: bytes, fault: Fault) -> None:
    started = time.monotonic()
    hub.faults.append(first(1, fault, on_cdn))
    assert read(origin, (5000, 8500)) == content[5000:8500]
    assert time.monotonic() - started < 8
    (begin, _), (again, _) = ranges(hub)
    assert begin == 5000
    assert (again == 5000) if fault is drip_head else (5000 < again < 6000), "what dripped is kept"


@pytest.mark.parametrize("fault", [drip_head, drip_body])
def test_a_slow_loris_for_ever(hub: HubServer, origin: Origin, monkeypatch: pytest.MonkeyPatch, fault: Fault) -> None:
    monkeypatch.setattr("gated_ray.sources.remote.fetch.ATTEMPTS", 2)
    started = time.monotonic()
    hub.faults.append(always(fault, on_cdn))
    with pytest.raises(TransientError, match=rf"^{REPO}: {WEIGHTS} at byte \d+: .* stalled, 2 times$"):
        read(origin, (5000, 8500))
    assert time.monotonic() - started < 12


def test_a_drip_that_is_no_stall_has_a_deadline_too(
    hub: HubServer, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some kilobytes a second would keep a connection for hours."""
    monkeypatch.setattr("tests.servers.hub_connections.DRIP_SECONDS", 0.0)
    monkeypatch.setattr("gated_ray.sources.remote.http._DEADLINE_SECONDS", 1)
    monkeypatch.setattr("gated_ray.sources.remote.http._LEAST_BYTES_PER_SECOND", 1 << 30)
    monkeypatch.setattr("gated_ray.sources.remote.fetch.ATTEMPTS", 1)
    started = time.monotonic()
    hub.faults.append(always(drip_body, on_cdn))
    with pytest.raises(TransientError, match="stalled"):
        read(origin, (0, MIB))
    assert time.monotonic() - started < 6


def test_one_part_that_stalls_does_not_hold_up_the_rest(
    hub: HubServer, origin: Origin, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another connection tries a part that is late, long before the first one counts as stalled."""
    monkeypatch.setenv("HF_HUB_DOWNLOAD_TIMEOUT", "60")
    monkeypatch.setattr("gated_ray.sources.remote.engine.ENGINE", Engine())  # one that no other test has slowed down
    hub.faults.append(first(1, drip_body, on_cdn))
    started = time.monotonic()
    assert read(origin, (0, SIZE)) == content
    assert time.monotonic() - started < 20
