"""Every fault that the test servers can commit, as plain clients see it."""

import gzip
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pycurl
import pytest
from huggingface_hub import HfApi, get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import HfHubHTTPError

from tests.servers.fetching import failure, fetch
from tests.servers.hub import HubServer
from tests.servers.hub_faults import (
    Fault,
    always,
    anywhere,
    drip_body,
    drip_head,
    error_page,
    expired,
    first,
    gzip_encoded,
    http_date,
    ignore_range,
    on_api,
    on_cdn,
    on_hub,
    on_ranges,
    on_resolve,
    refuse,
    reset_after,
    shift_range,
    sometimes,
    truncate,
)
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
    whole_with_range,
    without_content_range,
)
from tests.servers.hub_redirects import UNKNOWN_HOST, moved_to, redirect_loop
from tests.servers.hub_tls import untrusted_host

REPO = "org/open"
WEIGHTS = "model.safetensors"
SIZE = 300_000


@pytest.fixture
def weights(tmp_path: Path) -> bytes:
    return np.random.default_rng(0).bytes(SIZE)


@pytest.fixture
def hub(weights: bytes, tmp_path: Path) -> Iterator[HubServer]:
    """One repository, of a config and weights."""
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / WEIGHTS).write_bytes(weights)
    with HubServer() as server:
        server.add_repo(REPO, folder)
        yield server


@pytest.fixture
def url(hub: HubServer) -> str:
    """The signed URL of the weights."""
    return location(hub)


def location(hub: HubServer) -> str:
    return get_hf_file_metadata(hf_hub_url(REPO, WEIGHTS, endpoint=hub.endpoint)).location


def spoil(hub: HubServer, fault: Fault) -> None:
    hub.faults.append(always(fault, on_cdn))


def test_faults_in_turn(hub: HubServer, url: str) -> None:
    hub.faults += [first(1, refuse(503), on_cdn), first(2, refuse(429, retry_after=7), on_cdn)]
    answers = [fetch(url) for _ in range(3)]
    assert [status for status, _, _ in answers] == [429, 429, 200]
    assert answers[0][1]["retry-after"] == "7"
    assert hub.weight_bytes_served() == SIZE + sum(len(body) for _, _, body in answers[:2])


def test_a_share_of_the_requests() -> None:
    """The same ones for the same seed, however many threads ask."""
    request = Request("cdn", "GET", "/", {}, {})
    other = Request("hub", "GET", "/", {}, {})
    chosen = []
    for seed in (1, 1, 2):
        hook = sometimes(0.1, refuse(500), on_cdn, seed)
        assert hook(other) is None
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _, hook=hook: hook(request), range(1000)))
        assert hook.committed + hook.passed == 1000
        chosen.append(hook.committed)
    assert chosen[0] == chosen[1]
    assert all(70 < count < 130 for count in chosen)
    one_by_one = [sometimes(0.5, [refuse(500), expired], on_cdn, seed) for seed in (1, 1, 2)]
    picked = [[hook(request) for _ in range(50)] for hook in one_by_one]
    assert [fault is None for fault in picked[0]] == [fault is None for fault in picked[1]]
    assert [fault is None for fault in picked[0]] != [fault is None for fault in picked[2]]
    assert {expired, None} < set(picked[2])


def test_where(hub: HubServer, url: str) -> None:
    HfApi(endpoint=hub.endpoint).model_info(REPO)
    fetch(url, "bytes=0-9")
    asked = [(on_api(each), on_resolve(each), on_cdn(each), on_ranges(each)) for each in hub.log]
    assert asked == [(False, True, False, False), (True, False, False, False), (False, False, True, True)]
    assert all(map(anywhere, hub.log))


def test_fault_on_the_hub(hub: HubServer) -> None:
    hub.faults.append(always(refuse(500), on_api))
    with pytest.raises(HfHubHTTPError) as caught:
        HfApi(endpoint=hub.endpoint).model_info(REPO)
    assert caught.value.response.status_code == 500
    assert location(hub).startswith(hub.cdn_endpoint)


def test_retry_after_as_a_date(hub: HubServer, url: str) -> None:
    spoil(hub, refuse(429, retry_after=http_date(90)))
    status, headers, _ = fetch(url)
    assert status == 429
    assert headers["retry-after"].endswith(" GMT")
    assert 80 < parsedate_to_datetime(headers["retry-after"]).timestamp() - time.time() <= 90


def test_truncated_body(hub: HubServer, url: str) -> None:
    hub.faults.append(first(1, truncate(500), on_cdn))
    assert failure(url, "bytes=0-999") == pycurl.E_PARTIAL_FILE
    assert hub.weight_bytes_served() == 500
    assert len(fetch(url, "bytes=0-999")[2]) == 1000


def test_reset_before_the_answer(hub: HubServer, url: str) -> None:
    spoil(hub, reset_after(None))
    assert failure(url) == pycurl.E_RECV_ERROR, "a clean end would be E_GOT_NOTHING"
    (request,) = hub.cdn_requests()
    assert (request.status, request.bytes_sent) == (0, 0)


@pytest.mark.parametrize("count", [0, 70_000])
def test_reset_in_the_body(hub: HubServer, url: str, weights: bytes, count: int) -> None:
    spoil(hub, reset_after(count))
    received = bytearray()
    assert failure(url, WRITEFUNCTION=received.extend) == pycurl.E_RECV_ERROR, "a clean end would be E_PARTIAL_FILE"
    assert bytes(received) == weights[:count]
    assert hub.weight_bytes_served() == count


@pytest.mark.parametrize("fault", [drip_head, drip_body])
def test_slow_loris(hub: HubServer, url: str, fault: Fault) -> None:
    """It sends on and on until the client goes, and then ends at once."""
    spoil(hub, fault)
    started = time.monotonic()
    assert failure(url, TIMEOUT_MS=300) == pycurl.E_OPERATION_TIMEDOUT
    assert hub.cdn_requests()[0].bytes_sent == 0, "the count is of whole bodies"
    assert time.monotonic() - started < 3


@pytest.mark.parametrize("fault", [drip_head, drip_body])
def test_a_slow_loris_ends_with_its_server(hub: HubServer, fault: Fault) -> None:
    threads = threading.active_count()
    with HubServer() as other:
        other.faults.append(always(fault, anywhere))
        host = urlsplit(other.endpoint)
        with socket.create_connection((host.hostname, host.port)) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.recv(3)
            started = time.monotonic()
            other.__exit__(None, None, None)
            assert time.monotonic() - started < 3
    assert threading.active_count() == threads


def test_a_drip_is_the_right_answer_in_the_end(hub: HubServer, url: str, weights: bytes) -> None:
    spoil(hub, drip_body)
    assert fetch(url, "bytes=5-14")[::2] == (206, weights[5:15])


def test_ignored_range(hub: HubServer, url: str) -> None:
    spoil(hub, ignore_range)
    status, headers, body = fetch(url, "bytes=10-19")
    assert (status, "content-range" in headers, len(body)) == (200, False, SIZE)


def test_shifted_range(hub: HubServer, url: str, weights: bytes) -> None:
    spoil(hub, shift_range(4))
    status, headers, body = fetch(url, "bytes=10-19")
    assert (status, headers["content-range"]) == (206, f"bytes 14-23/{SIZE}")
    assert body == weights[14:24]
    assert fetch(url, f"bytes={SIZE - 9}-{SIZE - 3}")[2] == weights[-7:]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (say_range(begin=-1), f"bytes 9-19/{SIZE}"),
        (say_range(begin=-100), f"bytes 0-19/{SIZE}"),
        (say_range(end=1), f"bytes 10-20/{SIZE}"),
        (say_range(total=5), f"bytes 10-19/{SIZE + 5}"),
        (say_range(total=None), "bytes 10-19/*"),
        (without_content_range, None),
    ],
)
def test_another_content_range_about_the_right_bytes(
    hub: HubServer, url: str, weights: bytes, fault: Fault, said: str | None
) -> None:
    spoil(hub, fault)
    status, headers, body = fetch(url, "bytes=10-19")
    assert (status, headers.get("content-range"), body) == (206, said, weights[10:20])
    assert fetch(url)[::2] == (200, weights)


def test_a_range_as_if_it_were_the_whole(hub: HubServer, url: str, weights: bytes) -> None:
    spoil(hub, as_if_whole)
    status, headers, body = fetch(url, "bytes=10-19")
    assert (status, headers.get("content-range"), body) == (200, None, weights[10:20])


@pytest.mark.parametrize(("by", "expected"), [(-3, slice(10, 17)), (2, slice(10, 20))])
def test_a_body_of_another_length(hub: HubServer, url: str, weights: bytes, by: int, expected: slice) -> None:
    spoil(hub, resized(by))
    status, headers, body = fetch(url, "bytes=10-19")
    assert (status, headers["content-range"]) == (206, f"bytes 10-19/{SIZE}")
    assert headers["content-length"] == str(10 + by)
    assert body == weights[expected] + b"xx" * (by > 0)


@pytest.mark.parametrize(("by", "expected"), [(-3, slice(10, 17)), (2, slice(10, 20))])
def test_a_body_of_another_length_that_is_not_said(
    hub: HubServer, url: str, weights: bytes, by: int, expected: slice
) -> None:
    spoil(hub, unmeasured(by))
    status, headers, body = fetch(url, "bytes=10-19")
    assert (status, headers["content-range"]) == (206, f"bytes 10-19/{SIZE}")
    assert "content-length" not in headers
    assert body == weights[expected] + b"xx" * (by > 0)


def test_a_range_under_the_status_of_a_whole(hub: HubServer, url: str, weights: bytes) -> None:
    spoil(hub, whole_with_range)
    status, headers, body = fetch(url, "bytes=10-19")
    assert (status, headers["content-range"], body) == (200, f"bytes 10-19/{SIZE}", weights[10:20])


def test_bytes_that_are_not_compressed_as_said(hub: HubServer, url: str, weights: bytes) -> None:
    spoil(hub, says_gzip)
    status, headers, body = fetch(url, "bytes=10-19")
    assert (status, headers["content-encoding"], body) == (206, "gzip", weights[10:20])


def test_more_than_content_length_says(hub: HubServer, url: str, weights: bytes) -> None:
    spoil(hub, overflow(7))
    host = urlsplit(url)
    with socket.create_connection((host.hostname, host.port), timeout=10) as client:
        head = f"GET {host.path}?{host.query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nRange: bytes=10-19\r\n\r\n"
        client.sendall(head.encode())
        answer = b"".join(iter(lambda: client.recv(1000), b""))
    assert b"\r\nContent-Length: 10\r\n" in answer
    assert answer.endswith(b"\r\n\r\n" + weights[10:20] + b"xxxxxxx")


def test_another_etag(hub: HubServer, url: str, weights: bytes) -> None:
    etag = fetch(url, "bytes=0-0")[1]["etag"]
    spoil(hub, other_etag)
    _, headers, body = fetch(url, "bytes=10-19")
    assert headers["etag"] != etag
    assert body == weights[10:20]


def test_another_file(hub: HubServer, url: str, weights: bytes) -> None:
    etag = fetch(url, "bytes=0-0")[1]["etag"]
    spoil(hub, other_file)
    status, headers, body = fetch(url, "bytes=10-19")
    assert (status, headers["content-range"], len(body)) == (206, f"bytes 10-19/{SIZE}", 10)
    assert headers["etag"] != etag
    assert not any(one == other for one, other in zip(body, weights[10:20], strict=True))


def test_gzip(hub: HubServer, url: str, weights: bytes) -> None:
    spoil(hub, gzip_encoded)
    status, headers, body = fetch(url, "bytes=10-1009")
    assert (status, headers["content-encoding"], headers["content-range"]) == (206, "gzip", f"bytes 10-1009/{SIZE}")
    assert headers["content-length"] == str(len(body)) != "1000"
    assert gzip.decompress(body) == weights[10:1010]


@pytest.mark.parametrize(("range_header", "expected"), [("bytes=10-1009", 206), (None, 200)])
def test_an_error_page(hub: HubServer, url: str, range_header: str | None, expected: int) -> None:
    spoil(hub, error_page)
    status, headers, body = fetch(url, range_header)
    assert (status, headers["content-type"], headers["content-length"]) == (expected, "text/html", str(len(body)))
    assert body.startswith(b"<!doctype html>")


def test_expired_signature(hub: HubServer, url: str) -> None:
    real = fetch(url.replace("Signature=", "Signature=0"))
    spoil(hub, expired)
    status, headers, _ = fetch(url)
    assert (status, headers["server"], headers["content-type"]) == (real[0], real[1]["server"], real[1]["content-type"])


@pytest.mark.parametrize("where", [on_hub, on_cdn])
def test_redirect_loop(hub: HubServer, url: str, where: object) -> None:
    hub.faults.append(always(redirect_loop, where))
    target = url if where is on_cdn else hf_hub_url(REPO, WEIGHTS, endpoint=hub.endpoint)
    hub.clear_log()
    assert failure(target, FOLLOWLOCATION=1, MAXREDIRS=8) == pycurl.E_TOO_MANY_REDIRECTS
    assert [request.status for request in hub.log] == [302] * 9


def test_redirect_to_an_unknown_host(hub: HubServer, url: str) -> None:
    hub.faults.append(always(moved_to(UNKNOWN_HOST), on_resolve))
    assert location(hub) == url.replace(hub.cdn_endpoint, UNKNOWN_HOST)
    assert failure(location(hub)) == pycurl.E_COULDNT_RESOLVE_HOST


def test_redirect_to_tls_where_none_is(hub: HubServer) -> None:
    hub.faults.append(always(moved_to(hub.cdn_endpoint.replace("http:", "https:")), on_resolve))
    assert failure(location(hub)) == pycurl.E_SSL_CONNECT_ERROR
    assert hub.cdn_requests() == []


def test_redirect_to_a_host_that_cannot_be_trusted(hub: HubServer, tmp_path: Path) -> None:
    with untrusted_host(tmp_path) as origin:
        hub.faults.append(always(moved_to(origin), on_resolve))
        assert failure(location(hub)) == pycurl.E_PEER_FAILED_VERIFICATION
        assert fetch(location(hub), CAINFO=str(tmp_path / "untrusted.pem"))[0] == 204, "sound for who trusts it"
