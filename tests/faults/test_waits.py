"""Waits that a server asks for are kept, by all requests; and no wait is without end."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gated_ray.architectures.finding import find_blocks
from gated_ray.errors import GatedRayError, TransientError
from gated_ray.sources.checkpoint import Checkpoint, open_checkpoint, open_origin
from gated_ray.sources.remote.answers import RemoteFile
from gated_ray.sources.remote.links import Link
from tests.checkpoints.sound import sound_checkpoint
from tests.faults.conftest import REPO, Clock
from tests.servers.hub import HubServer
from tests.servers.hub_faults import (
    Condition,
    always,
    drip_body,
    drip_head,
    first,
    http_date,
    on_api,
    on_cdn,
    on_resolve,
    refuse,
)
from tests.servers.hub_http import Response
from tests.sources.reading import read_bytes, stored_bytes

BACKOFF = 16.0
"""Most seconds of the fifth pause."""


def read_one(checkpoint: Checkpoint) -> None:
    read_bytes(checkpoint, find_blocks(checkpoint)[0].slices[:1])


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("where", [on_cdn, on_resolve], ids=["cdn", "resolve"])
@pytest.mark.parametrize(
    ("asked", "seconds"), [(lambda: 17, 17), (lambda: http_date(40), 39.5)], ids=["seconds", "date"]
)
def test_the_wait_that_a_server_asks_for(
    hub: HubServer,
    checkpoint: Checkpoint,
    clock: Clock,
    status: int,
    where: Condition,
    asked: Callable[[], int | str],
    seconds: float,
) -> None:
    hub.faults.append(first(1, refuse(status, retry_after=asked()), where))
    began = clock.now
    read_one(checkpoint)
    assert seconds - 2 <= clock.now - began <= seconds + 1


def test_the_wait_that_the_api_asks_for(hub: HubServer, folder: Path, clock: Clock) -> None:
    hub.add_repo(REPO, folder)
    hub.faults.append(first(1, refuse(429, retry_after=100), on_api))
    began = clock.now
    open_checkpoint(REPO)
    assert 100 <= clock.now - began <= 101


def test_all_requests_wait_not_only_the_one_that_was_refused(
    hub: HubServer, checkpoint: Checkpoint, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those for other models: the Hub counts them together."""
    hub.add_repo("org/other", sound_checkpoint(tmp_path / "other"))
    other = open_checkpoint("org/other")
    refused, go_on = threading.Event(), threading.Event()
    main = threading.current_thread()

    def sleep_apart(seconds: float) -> None:
        if threading.current_thread() is main:
            clock.sleep(seconds)
            return
        refused.set()
        assert go_on.wait(20)

    for module in ("gate", "retry"):
        monkeypatch.setattr(f"gated_ray.sources.remote.{module}.sleep", sleep_apart)
    hub.faults.append(first(1, refuse(429, retry_after=30), on_cdn))
    thread = threading.Thread(target=read_one, args=[checkpoint])
    thread.start()
    try:
        assert refused.wait(20)
        hub.faults.clear()
        began = clock.now
        read_one(other)
        assert clock.now - began == pytest.approx(30)
        assert clock.slept == [pytest.approx(30)]
    finally:
        go_on.set()
        thread.join()


def test_nobody_waits_longer_than_five_minutes(hub: HubServer, checkpoint: Checkpoint, clock: Clock) -> None:
    hub.faults.append(first(1, refuse(429, retry_after=86_400), on_cdn))
    began = clock.now
    read_one(checkpoint)
    assert 300 <= clock.now - began <= 301


@pytest.mark.parametrize(
    "said",
    [
        f"Thu, 01 Jan {9**30} 00:00:00 GMT",
        f"Thu, 01 Jan 2026 00:00:00 +{9**30}",
        "soon",
        "-5",
        "1.5",
        "",
        "٣",
        "Thu, 99 Foo 2026 00:00:00 GMT",
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "9" * 400,
    ],
)
def test_what_is_no_wait(hub: HubServer, checkpoint: Checkpoint, clock: Clock, said: str) -> None:
    """Such a server is asked again after a pause of our own, or after the longest one."""
    if not said.isascii():
        said = said.encode().decode("latin-1")
    hub.faults.append(first(1, refuse(429, retry_after=said), on_cdn))
    began = clock.now
    read_one(checkpoint)
    assert clock.now - began <= (300.5 if said.startswith("9") else 0.5)


def test_a_server_that_always_asks_to_wait(hub: HubServer, checkpoint: Checkpoint, clock: Clock) -> None:
    hub.faults.append(always(refuse(429, retry_after=60), on_cdn))
    began = clock.now
    with pytest.raises(TransientError, match=r"overloaded \(429\), 6 times$"):
        read_one(checkpoint)
    assert len(hub.cdn_requests()) == 6
    assert clock.now - began <= 5 * 61


@pytest.mark.parametrize("fault", [drip_head, drip_body])
@pytest.mark.parametrize("where", [on_api, on_resolve], ids=["api", "resolve"])
def test_the_hub_as_a_slow_loris(
    hub: HubServer, folder: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, fault: object, where: Condition
) -> None:
    """huggingface_hub's own timeouts are for the next byte, and one always comes."""
    monkeypatch.setenv("HF_HUB_DOWNLOAD_TIMEOUT", "1")
    monkeypatch.setattr("gated_ray.sources.remote.deadline._SECONDS", 0.4)
    monkeypatch.setattr("gated_ray.sources.remote.retry.ATTEMPTS", 2)
    monkeypatch.setattr("gated_ray.sources.remote.fetch.ATTEMPTS", 2)
    hub.add_repo(REPO, folder)
    hub.faults.append(always(fault, where))
    started = time.monotonic()
    with pytest.raises(TransientError, match=f"^{REPO}: .*(no complete answer|stalled)"):
        open_checkpoint(REPO)
    assert time.monotonic() - started < 10


def test_links_are_made_anew_before_they_expire(hub: HubServer, checkpoint: Checkpoint, clock: Clock) -> None:
    origin = open_origin(checkpoint.location)
    part = find_blocks(checkpoint)[0].slices[0]
    began = clock.now
    for minutes, resolved in ((0, 1), (49, 1), (51, 2), (100, 2), (102, 3)):
        clock.now = began + 60 * minutes
        read_bytes(checkpoint, [part], origin)
        assert len(hub.hub_requests()) == resolved


def test_many_threads_resolve_a_file_once(hub: HubServer, checkpoint: Checkpoint, folder: Path, clock: Clock) -> None:
    """When it is first read, and again when its URL has expired."""
    origin = open_origin(checkpoint.location)
    slices = find_blocks(checkpoint)[0].slices
    shards = {part.record.file.path for part in slices}
    for _ in range(2):
        hub.clear_log()
        _together(16, lambda: _assert_reads(checkpoint, folder, origin))
        assert sorted(request.file or "" for request in hub.hub_requests()) == sorted(shards)
        hub.expire_urls()


@pytest.mark.parametrize(("status", "resolves"), [(404, 1), (502, 6)])
def test_many_threads_fail_to_resolve_a_file_once(
    hub: HubServer,
    checkpoint: Checkpoint,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    resolves: int,
) -> None:
    """Who waited for the answer has it: none begins the attempts anew."""
    origin = open_origin(checkpoint.location)
    part = find_blocks(checkpoint)[0].slices[0]
    asking = threading.Semaphore(0)
    get = Link.get

    def counted(link: Link) -> RemoteFile:
        asking.release()
        return get(link)

    def once_all_ask(response: Response) -> Response:
        for _ in range(8):
            asking.acquire(timeout=10)
        return refuse(status)(response)

    monkeypatch.setattr(Link, "get", counted)
    hub.faults += [first(1, once_all_ask, on_resolve), always(refuse(status), on_resolve)]
    messages: list[str] = []

    def read() -> None:
        with pytest.raises(GatedRayError) as caught:
            read_bytes(checkpoint, [part], origin)
        messages.append(str(caught.value))

    _together(8, read)
    assert len(set(messages)) == 1
    assert len(hub.hub_requests()) == resolves


def _assert_reads(checkpoint: Checkpoint, folder: Path, origin: object) -> None:
    slices = find_blocks(checkpoint)[0].slices
    assert read_bytes(checkpoint, slices, origin) == stored_bytes(folder, slices)


def _together(count: int, call: Callable[[], None]) -> None:
    """Call in so many threads at once; the first error of any is raised."""
    barrier = threading.Barrier(count)
    errors: list[BaseException] = []

    def run() -> None:
        try:
            barrier.wait(20)
            call()
        except BaseException as error:  # noqa: BLE001 - raised again below
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
