"""The tour's commands run as they stand on the page, and print what the page shows."""

import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.jobs.running import call_job

ROOT = Path(__file__).parent.parent
TOUR = ROOT / "docs" / "tour.md"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.slow


def blocks() -> list[tuple[str, str]]:
    """(language, text) of every fenced block."""
    return _BLOCK.findall(TOUR.read_text())


def run_line(line: str) -> None:
    """One command of the page, in this process; its exit code is 0 unless its comment says otherwise."""
    words = shlex.split(line, comments=True)
    if words[0] == "make":
        assert subprocess.run([*words, "--dry-run"], cwd=ROOT, capture_output=True).returncode == 0
        return
    assert words[:2] == [".venv/bin/python", "-m"]
    assert words[2].startswith("jobs.")
    expected = 1 if line.endswith("# exits 1") else 0
    assert call_job(words[2].removeprefix("jobs."), *words[3:]) == expected


def assert_printed(shown: str, printed: str) -> None:
    """Every line of the page occurs in what was printed, in this order; ``...`` stands for any lines between."""
    place = 0
    for line in shown.splitlines():
        if line != "...":
            found = printed.find(line.strip(), place)
            assert found >= 0, f"{line!r} is not in what follows of:\n{printed[place:]}"
            place = found + len(line.strip())


@pytest.mark.usefixtures("ray_session")
def test_the_tour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    printed, compared = "", 0
    for language, text in blocks():
        if language == "text":
            assert_printed(text, printed)
            compared += 1
            continue
        if language == "sh":
            for line in text.strip().splitlines():
                run_line(line)
        else:
            (tmp_path / "ask.py").write_text(text)
            monkeypatch.setattr(sys, "argv", ["ask.py"])
            runpy.run_path(str(tmp_path / "ask.py"))
        printed = capsys.readouterr().out
    assert compared == 5
    assert {path.name for path in (tmp_path / "results" / "report").iterdir()} == {
        "atlas",
        "index.html",
        "median_curves.pdf",
        "median_curves.png",
        "tiny-docs-llama",
    }


def test_a_line_that_is_not_printed_is_found() -> None:
    assert_printed("one\n...\nthree\n", "zero\none\ntwo\nthree")
    for shown in ("four\n", "three\none\n"):
        with pytest.raises(AssertionError, match="is not in what follows"):
            assert_printed(shown, "one\ntwo\nthree")
