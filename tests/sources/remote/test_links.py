"""A signed URL is made once for many threads, and never used for more than fifty minutes."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from gated_ray.errors import TransientError
from gated_ray.sources.remote.answers import RemoteFile
from gated_ray.sources.remote.links import Link

_THREADS = 16


class _Maker:
    """Makes files whose URLs count up."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self) -> RemoteFile:
        self.made += 1
        return RemoteFile(f"http://cdn/{self.made}", {}, 1, "org/name: file", "", "")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the time."""
    now = [1_000.0]
    monkeypatch.setattr("gated_ray.sources.remote.links.time.monotonic", lambda: now[0])

    def set_to(seconds: float) -> None:
        now[0] = 1_000.0 + seconds

    return set_to


def test_nothing_is_resolved_before_it_is_needed() -> None:
    make = _Maker()
    Link(make)
    assert make.made == 0


def test_it_is_kept_for_fifty_minutes(clock: Callable[[float], None]) -> None:
    make = _Maker()
    link = Link(make)
    first = link.get()
    clock(49 * 60)
    assert link.get() is first
    clock(51 * 60)
    assert link.get().url == "http://cdn/2"
    assert make.made == 2


def test_many_threads_share_one() -> None:
    make, barrier = _Maker(), threading.Barrier(_THREADS)
    link = Link(make)

    def get() -> RemoteFile:
        barrier.wait(30)
        return link.get()

    with ThreadPoolExecutor(_THREADS) as pool:
        files = [done.result() for done in [pool.submit(get) for _ in range(_THREADS)]]
    assert make.made == 1
    assert {file.url for file in files} == {"http://cdn/1"}


def test_many_refusals_of_one_make_one_new() -> None:
    make, barrier = _Maker(), threading.Barrier(_THREADS)
    link = Link(make)
    refused = link.get()

    def renew() -> RemoteFile:
        barrier.wait(30)
        link.forget(refused)
        return link.get()

    with ThreadPoolExecutor(_THREADS) as pool:
        files = [done.result() for done in [pool.submit(renew) for _ in range(_THREADS)]]
    assert make.made == 2
    assert {file.url for file in files} == {"http://cdn/2"}


def test_a_failure_to_make_it_is_not_kept() -> None:
    answers = iter([TransientError("org/name: no"), RemoteFile("http://cdn/1", {}, 1, "file", "", "")])

    def make() -> RemoteFile:
        answer = next(answers)
        if isinstance(answer, TransientError):
            raise answer
        return answer

    link = Link(make)
    with pytest.raises(TransientError):
        link.get()
    assert link.get().url == "http://cdn/1"


def test_many_threads_share_a_failure_too() -> None:
    """Else each of them would make all attempts, one after the other."""
    made: list[None] = []
    waiting = threading.Event()

    def make() -> RemoteFile:
        made.append(None)
        assert waiting.wait(30)
        raise TransientError("org/name: no")

    link = Link(make)
    with ThreadPoolExecutor(_THREADS) as pool:
        gets = [pool.submit(link.get) for _ in range(_THREADS)]
        while link._flight is None or len(link._flight._condition._waiters) < _THREADS - 1:  # type: ignore[attr-defined]
            threading.Event().wait(0.005)
        waiting.set()
        assert all(isinstance(get.exception(), TransientError) for get in gets)
    assert len(made) == 1


def test_its_text_holds_no_query() -> None:
    file = RemoteFile("https://cdn/file?Signature=secret", {"Authorization": "Bearer secret"}, 1, "file", "", "")
    assert "secret" not in repr(file)
