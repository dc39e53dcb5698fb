"""What machines are told while a sweep runs."""

import ast
import datetime as dt
import io
import json
import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import gated_ray
from gated_ray.cluster import events
from gated_ray.cluster.events import emit, events_alone_on_stdout
from gated_ray.cluster.progress import Progress
from gated_ray.cluster.work_unit import TOKENS
from tests.cluster.test_progress import HALF_A_MEGABYTE, Clock, clock

__all__ = ["clock"]

Capture = pytest.CaptureFixture[str]


def read(capsys: Capture) -> list[dict[str, object]]:
    """The events on stdout; each without its time, which is now; nothing on stderr."""
    written = capsys.readouterr()
    assert written.err == ""
    assert written.out == "" or written.out.endswith("\n")
    found = [json.loads(line, parse_constant=pytest.fail) for line in written.out.splitlines()]
    for event in found:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["time"])
        age = dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(event.pop("time"))
        assert dt.timedelta(0) <= age < dt.timedelta(minutes=1)
    return found


def documented(event: str) -> set[str]:
    """The fields that the tables in the module's docstring give to an event."""
    rows = [line.split("|")[1:-1] for line in (events.__doc__ or "").splitlines() if line.startswith("| `")]
    if event == "progress":
        return {name for cells in rows if len(cells) == 3 for name in _names(cells[0]) if cells[1].strip() in _UNITS}
    return {name for cells in rows if _names(cells[0]) == [event] for name in _names(cells[2])}


_UNITS = {"models", "units", "bytes", "s", "10^9 bytes/s"}


def _names(cell: str) -> list[str]:
    return re.findall(r"`(\w+)`", cell)


def test_one_line_an_event_with_its_time(capsys: Capture) -> None:
    emit("summary", models=3, seconds=1.5, complete=True, why=None)
    emit("notice", message="all well")
    assert read(capsys) == [
        {"event": "summary", "models": 3, "seconds": 1.5, "complete": True, "why": None},
        {"event": "notice", "message": "all well"},
    ]


def test_keys_keep_their_order(capsys: Capture) -> None:
    emit("summary", z=1, a=2)
    assert list(json.loads(capsys.readouterr().out)) == ["time", "event", "z", "a"]


@pytest.mark.parametrize(
    "text", ["one\ntwo", "\r\n", "\u2028\u2029\x85\x0b\x0c\x1c", 'a "quoted" \\ path', "größer 🎈", "\x00\x1b[31m"]
)
def test_no_text_splits_a_line(text: str, capsys: Capture) -> None:
    emit("notice", message=text, **{text: 1})
    written = capsys.readouterr().out
    assert len(written.splitlines()) == 1
    assert json.loads(written)["message"] == text
    assert json.loads(written)[text] == 1


def test_a_line_is_out_at_once_whatever_the_terminal_can_show(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(out), encoding="ascii"))
    emit("notice", message="größer 🎈")
    assert json.loads(out.getvalue())["message"] == "größer 🎈"


def test_a_name_that_is_not_utf_8_can_be_written_and_read(capsys: Capture) -> None:
    emit("failed", message=b"/models/caf\xe9".decode("utf-8", "surrogateescape"), where={"\udce9": ["\udce9"]})
    (event,) = read(capsys)
    json.dumps(event, ensure_ascii=False).encode()
    assert event["message"] == "/models/caf\\udce9"
    assert event["where"] == {"\\udce9": ["\\udce9"]}


def test_numbers_that_json_does_not_have_are_null(capsys: Capture) -> None:
    emit("summary", speed=math.nan, sizes=[1.0, math.inf, (-math.inf,)], by={"phase": math.nan})
    assert read(capsys) == [
        {"event": "summary", "speed": None, "sizes": [1.0, None, [None]], "by": {"phase": None}},
    ]


def test_no_field_takes_the_place_of_the_time(capsys: Capture) -> None:
    with pytest.raises(TypeError, match="time"):
        emit("summary", time=3.5)
    assert capsys.readouterr().out == ""


def test_what_json_cannot_say_is_refused_and_nothing_is_written(capsys: Capture) -> None:
    with pytest.raises(TypeError, match="object is not JSON serializable"):
        emit("summary", what=object())
    assert capsys.readouterr().out == ""


def test_a_sweep_tells_at_once_what_happened(clock: Clock, capsys: Capture) -> None:
    progress = Progress(3, log="json")
    progress.planned("org/first", 2, 2 * HALF_A_MEGABYTE)
    assert read(capsys) == [{"event": "planned", "model": "org/first", "units": 2, "bytes": 2 * HALF_A_MEGABYTE}]
    progress.not_planned("org/none: no such repository")
    assert read(capsys) == [
        {"event": "failed", "message": "org/none: no such repository", "model": None, "units": 0, "bytes": 0}
    ]
    progress.failed("org/first: layer 0: gone", 1, HALF_A_MEGABYTE, model="org/first")
    assert read(capsys) == [
        {
            "event": "failed",
            "message": "org/first: layer 0: gone",
            "model": "org/first",
            "units": 1,
            "bytes": HALF_A_MEGABYTE,
        }
    ]
    progress.published("org/first")
    progress.say("a worker was replaced")
    assert read(capsys) == [
        {"event": "published", "model": "org/first"},
        {"event": "notice", "message": "a worker was replaced"},
    ]
    progress.close()
    capsys.readouterr()


def test_the_numbers_come_every_ten_seconds_and_at_the_end(clock: Clock, capsys: Capture) -> None:
    progress = Progress(4, log="json")
    progress.planned("org/first", 4, 4 * HALF_A_MEGABYTE)
    progress.planned("org/unchanged", 0, 0)
    progress.not_planned("org/none: no such repository")
    progress.failed("org/first: layer 0: gone", 1, HALF_A_MEGABYTE, model="org/first")
    progress.failed("org/first: layer 1: gone", 1, HALF_A_MEGABYTE, model="org/first")
    progress.again(1, HALF_A_MEGABYTE)
    capsys.readouterr()
    for _ in range(40):
        assert read(capsys) == []
        clock.now += 0.25
        progress.done(HALF_A_MEGABYTE // 20, {}) if clock.now <= 1005 else None
        progress.refresh()
    half_a_megabyte_in_ten_seconds = HALF_A_MEGABYTE / 10
    expected = {
        "event": "progress",
        "models_asked": 4,
        "models_planned": 2,
        "models_unplannable": 1,
        "models_unchanged": 1,
        "models_published": 0,
        "models_failed": 2,
        "units_planned": 5,
        "units_done": 20,
        "units_failed": 2,
        "bytes_planned": 5 * HALF_A_MEGABYTE,
        "bytes_done": HALF_A_MEGABYTE,
        "bytes_failed": 2 * HALF_A_MEGABYTE,
        "gigabytes_per_second": half_a_megabyte_in_ten_seconds / 1e9,
        "gigabytes_per_second_mean": half_a_megabyte_in_ten_seconds / 1e9,
        "seconds_elapsed": 10.0,
        # Half a megabyte is done of one and a half; another model of one, the mean of the two, is to be expected.
        "seconds_left": 10 * (2 + 2),
    }
    (event,) = read(capsys)
    assert event == expected
    clock.now += 10
    progress.refresh()
    assert len(read(capsys)) == 1
    clock.now += 1
    progress.refresh()
    assert read(capsys) == []
    progress.close()
    (last,) = read(capsys)
    assert last["seconds_elapsed"] == 21.0
    assert last["units_done"] == 20


def test_every_field_is_documented(clock: Clock, capsys: Capture) -> None:
    progress = Progress(2, log="json")
    progress.planned("org/first", 0, 0)
    progress.not_planned("org/none: no such repository")
    progress.published("org/first")
    progress.say("so be it")
    progress.close()
    said = read(capsys)
    assert {event["event"] for event in said} == {"planned", "failed", "published", "notice", "progress"}
    for event in said:
        assert set(event) - {"event"} == documented(str(event["event"]))


def test_activation_statistics_tell_of_tokens(clock: Clock, capsys: Capture) -> None:
    progress = Progress(1, log="json", unit=TOKENS)
    progress.planned("org/first", 2, 300)
    progress.failed("one line", 1, 100, "org/first")
    progress.close()
    for event in read(capsys):
        assert set(event) - {"event"} == of_tokens(documented(str(event["event"])))


def of_tokens(fields: set[str]) -> set[str]:
    return {name.replace("gigabytes_per_second", "tokens_per_second").replace("bytes", "tokens") for name in fields}


def test_every_event_of_the_package_is_documented() -> None:
    told_of = {*_events_told_of()}
    for event, fields, whole in _calls_of_emit():
        assert event in told_of
        assert any(
            fields == known or (fields < known and not whole)
            for known in (documented(event), of_tokens(documented(event)))
        ), event


def _events_told_of() -> Iterator[str]:
    for line in (events.__doc__ or "").splitlines():
        cells = line.split("|")[1:-1]
        if line.startswith("| `") and len(cells) == 3 and cells[1].strip() not in _UNITS:
            yield _names(cells[0])[0]


def _calls_of_emit() -> Iterator[tuple[str, set[str], bool]]:
    """Where an event is named: the event, its fields that are named, and whether those are all."""
    for path in Path(gated_ray.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "emit":
                event = node.args[0]
                if isinstance(event, ast.Constant):
                    fields = {keyword.arg for keyword in node.keywords if keyword.arg}
                    yield str(event.value), fields, len(fields) == len(node.keywords)


def test_what_others_print_does_not_stand_between_events(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout
    with events_alone_on_stdout():
        emit("notice", message="ours")
        print("(raylet) Raylet is terminated.")
    assert sys.stdout is before
    printed = capsys.readouterr()
    assert [json.loads(line)["message"] for line in printed.out.splitlines()] == ["ours"]
    assert printed.err == "(raylet) Raylet is terminated.\n"
