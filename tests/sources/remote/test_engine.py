"""The engine's threads, with made-up downloads: order, limits, late parts, errors, and memory that is let go."""

import threading
import time
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gated_ray.errors import CheckpointError, TransientError
from gated_ray.sources.buffers import new_buffer
from gated_ray.sources.remote.answers import RemoteFile
from gated_ray.sources.remote.deadline import within
from gated_ray.sources.remote.engine import Engine, read_remote, read_whole
from gated_ray.sources.remote.http import StoppedError
from gated_ray.sources.remote.links import Link
from gated_ray.sources.remote.parts import LEAST_PART, MOST_PART, Part, parts_of
from gated_ray.sources.remote.retry import OverloadedError

_LONG = 30.0
Fetch = Callable[[Part], None]


@pytest.fixture
def fetching(monkeypatch: pytest.MonkeyPatch) -> Callable[[Fetch], None]:
    """Puts a made-up download in the place of the one over HTTP."""

    def use(fetch: Fetch) -> None:
        monkeypatch.setattr("gated_ray.sources.remote.engine.fetch", lambda curl, part, link, notice: fetch(part))

    return use


def _link() -> Link:
    return Link(lambda: RemoteFile("http://nowhere", {}, 1 << 40, "org/name: file", "", ""))


def _parts(count: int, size: int = 8) -> list[Part]:
    return [Part(index * size, new_buffer(size)) for index in range(count)]


def _fill(part: Part, value: int | None = None) -> None:
    """As a download does: each byte is the offset within the file, or `value`."""
    for offset in range(part.begin + part.done, part.begin + part.size):
        if not part.append(bytes([offset % 251 if value is None else value])):
            raise StoppedError


def _content(parts: Sequence[Part]) -> bytes:
    return b"".join(bytes(part.view) for part in parts)


def _expected(size: int) -> bytes:
    return bytes(offset % 251 for offset in range(size))


def test_every_part_is_brought(fetching: Callable[[Fetch], None]) -> None:
    fetching(_fill)
    parts = _parts(100)
    Engine().read(parts, _link())
    assert _content(parts) == _expected(800)


def test_no_more_at_once_than_the_limit(fetching: Callable[[Fetch], None]) -> None:
    at_once, most, lock = 0, 0, threading.Lock()
    four = threading.Barrier(4)

    def fetch(part: Part) -> None:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        if part.begin < 32:
            four.wait(_LONG)  # four do run at once, else this breaks
        _fill(part)
        with lock:
            at_once -= 1

    fetching(fetch)
    Engine().read(_parts(60), _link())
    assert most == 4


def test_earlier_calls_go_first(fetching: Callable[[Fetch], None]) -> None:
    begun: list[int] = []
    second_is_queued = threading.Event()

    def fetch(part: Part) -> None:
        begun.append(part.begin)
        assert second_is_queued.wait(_LONG)
        _fill(part)

    fetching(fetch)
    engine = Engine()
    first, second = _parts(20), [Part(1_000 + part.begin, part.view) for part in _parts(20)]
    readers = [threading.Thread(target=engine.read, args=(parts, _link())) for parts in (first, second)]
    readers[0].start()
    _until(lambda: len(begun) == 4)
    readers[1].start()
    _until(lambda: len(engine._queue) == 36)
    second_is_queued.set()
    for reader in readers:
        reader.join(_LONG)
    assert max(begun[:20]) < 1_000 <= min(begun[20:])


@pytest.mark.usefixtures("impatient")
def test_a_late_part_is_asked_for_again(fetching: Callable[[Fetch], None]) -> None:
    """The first try gets half of it and hangs; the second one goes on from there, and its bytes count."""
    let_go, tries = threading.Event(), []

    def fetch(part: Part) -> None:
        tries.append((part.begin, part.size))
        if part.begin == 16 and part.instead_of is None:
            part.append(bytes([16, 17, 18]))
            assert let_go.wait(_LONG)
            _fill(part, value=255)  # it wakes up too late, with bytes that nobody wants
            return
        _fill(part)

    fetching(fetch)
    parts = _parts(10)
    engine = Engine()
    engine.read(parts, _link())
    assert _content(parts) == _expected(80)
    assert (19, 5) in tries
    assert len(tries) == 11
    let_go.set()
    _until(lambda: engine._busy == 0)
    assert _content(parts) == _expected(80)


@pytest.mark.usefixtures("impatient")
def test_the_first_try_may_still_be_the_faster(fetching: Callable[[Fetch], None]) -> None:
    again = threading.Event()
    stopped = threading.Event()

    def fetch(part: Part) -> None:
        if part.instead_of is not None:
            again.set()
            _until(lambda: not part.wanted)
            stopped.set()
            raise StoppedError
        if part.begin == 0:
            assert again.wait(_LONG)
        _fill(part)

    fetching(fetch)
    parts = _parts(10)
    Engine().read(parts, _link())
    assert _content(parts) == _expected(80)
    assert stopped.wait(_LONG)


@pytest.mark.usefixtures("impatient")
def test_a_first_try_that_fails_while_the_second_is_at_it(fetching: Callable[[Fetch], None]) -> None:
    again, failed = threading.Event(), threading.Event()

    def fetch(part: Part) -> None:
        if part.instead_of is not None:
            again.set()
            assert failed.wait(_LONG)
        elif part.begin == 0:
            assert again.wait(_LONG)
            failed.set()
            raise TransientError("org/name: file at byte 0: gave up")
        _fill(part)

    fetching(fetch)
    parts = _parts(10)
    Engine().read(parts, _link())
    assert _content(parts) == _expected(80)


def test_the_first_error_comes_out_and_the_rest_is_given_up(fetching: Callable[[Fetch], None]) -> None:
    asked: list[int] = []
    let_go = threading.Event()
    late: list[bool] = []

    def fetch(part: Part) -> None:
        asked.append(part.begin)
        if part.begin == 8:
            raise CheckpointError("org/name: file at byte 8: changed")
        assert let_go.wait(_LONG)
        late.append(part.append(b"x"))

    fetching(fetch)
    parts = _parts(50)
    engine = Engine()
    with pytest.raises(CheckpointError, match="byte 8"):
        engine.read(parts, _link())
    let_go.set()
    _until(lambda: not engine._running)
    assert len(asked) < 12
    assert late
    assert not any(late)  # nobody writes to memory that was given up
    assert _content(parts) == bytes(400)


def test_a_bug_in_a_thread_comes_out_too(fetching: Callable[[Fetch], None]) -> None:
    def fetch(part: Part) -> None:
        raise ZeroDivisionError

    fetching(fetch)
    engine = Engine()
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            engine.read(_parts(10), _link())
    fetching(_fill)
    parts = _parts(10)
    engine.read(parts, _link())
    assert _content(parts) == _expected(80)


def test_an_overloaded_server_is_asked_less_at_once() -> None:
    engine = Engine()
    engine.notice(TransientError("lost"))
    assert engine._concurrency.limit == 4
    engine.notice(OverloadedError("busy"))
    assert engine._concurrency.limit == 2


@pytest.mark.parametrize("given", [0, 1, 3])
def test_a_system_that_gives_few_threads(
    fetching: Callable[[Fetch], None], monkeypatch: pytest.MonkeyPatch, given: int
) -> None:
    """Those that it gives do the work; and a thread that could not be started is not counted on later."""
    fetching(_fill)
    engine = Engine()
    left = iter(range(given))
    start = threading.Thread.start

    def scarce(thread: threading.Thread) -> None:
        if thread.name.startswith("range-") and next(left, None) is None:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", scarce)
    for _ in range(8):
        parts = _parts(20)
        if given:
            within("the engine", lambda parts=parts: engine.read(parts, _link()), _LONG)  # type: ignore[misc]
            assert _content(parts) == _expected(160)
        else:
            with pytest.raises(TransientError, match="no thread"):
                engine.read(parts, _link())
    assert not engine._queue
    monkeypatch.setattr(threading.Thread, "start", start)
    parts = _parts(20)
    within("the engine", lambda: engine.read(parts, _link()), _LONG)
    assert _content(parts) == _expected(160)


def test_nothing_to_read() -> None:
    Engine().read([], _link())
    assert [bytes(view) for view in read_remote([(5, 5)], _link())] == [b""]
    assert read_whole(0, _link()) == b""


@given(st.lists(st.tuples(st.integers(0, 1 << 40), st.integers(0, 200 << 20)), max_size=5))
def test_parts_cover_their_spans(spans: list[tuple[int, int]]) -> None:
    """Each byte once, in parts of 8 to 16 MiB but for the last of a span. The memory is only counted here."""

    class Memory:
        def __init__(self, first: int, last: int) -> None:
            self.first, self.last = first, last

        def __len__(self) -> int:
            return self.last - self.first

        def __getitem__(self, piece: slice) -> "Memory":
            return Memory(self.first + piece.start, min(self.last, self.first + piece.stop))

    asked = [(begin, begin + size) for begin, size in spans]
    buffers, parts = parts_of(asked, lambda size: Memory(0, size))  # type: ignore[arg-type, return-value]
    assert [len(buffer) for buffer in buffers] == [size for _, size in spans]
    covered = iter(parts)
    for begin, end in asked:
        at = begin
        while at < end:
            part = next(covered)
            assert part.begin == at
            assert part.size <= MOST_PART
            assert part.size >= LEAST_PART or at + part.size == end
            assert (part.view.first, part.view.last) == (at - begin, at - begin + part.size)  # type: ignore[attr-defined]
            at += part.size
        assert at == max(begin, end)
    assert next(covered, None) is None


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part is late after a twentieth of a second."""
    monkeypatch.setattr("gated_ray.sources.remote.engine._LATE_SECONDS", 0.05)
    monkeypatch.setattr("gated_ray.sources.remote.engine._LATE_TIMES", 0)
    monkeypatch.setattr("gated_ray.sources.remote.engine._LOOK_SECONDS", 0.01)


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _LONG
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError("it did not come to pass")
        threading.Event().wait(0.005)
