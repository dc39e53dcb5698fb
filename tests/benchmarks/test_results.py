"""What is recorded of a benchmark replaces what was recorded of it before, and nothing else."""

from pathlib import Path

from tests.benchmarks.measure import Ratio
from tests.benchmarks.results import RESULTS, record

FAST = Ratio("speed", 0.9, "x", 0.8, "9 / 10 GB/s", at_least=True)
SLOW = Ratio("speed", 0.7, "x", 0.8, "7 / 10 GB/s", at_least=True)


def test_a_limit_from_below_and_from_above() -> None:
    assert FAST.kept
    assert not SLOW.kept
    assert Ratio("time", 0.7, "s", 0.8, "").kept
    assert not Ratio("time", 0.9, "s", 0.8, "").kept
    assert Ratio("time", 9.9, "s", None, "").kept


def test_the_last_record_of_a_benchmark_counts(tmp_path: Path) -> None:
    path = tmp_path / "RESULTS.md"
    path.write_text("# Results\n\nWords.\n")
    record("first", [SLOW, FAST], path)
    record("second", [FAST], path)
    record("first", [FAST], path)
    text = path.read_text()
    assert text.startswith("# Results\n\nWords.\n\n## first\n")
    assert text.count("## first\n") == text.count("## second\n") == 1
    assert text.index("## first") < text.index("## second")
    assert text.count("| speed | 0.90 x | at least 0.8 x | 9 / 10 GB/s |") == 2
    assert "0.70" not in text


def test_what_was_not_kept_says_so(tmp_path: Path) -> None:
    path = tmp_path / "RESULTS.md"
    path.write_text("# Results\n")
    record("first", [SLOW], path)
    assert "| speed | 0.70 x | at least 0.8 x: not kept |" in path.read_text()


def test_the_projects_own_results_are_in_this_form(tmp_path: Path) -> None:
    text = RESULTS.read_text()
    path = tmp_path / "RESULTS.md"
    path.write_text(text)
    record("another", [FAST], path)
    assert path.read_text().startswith(text.rstrip())
