"""Report and comparison of a checkpoint of Qwen2.5-0.5B's shape that was planted after its published class table."""

import csv
import re
from pathlib import Path

import pytest

import gated_ray
from gated_ray.reports.figures import class_bars, cosine_scatter, save_figure
from gated_ray.reports.published_tables import class_counts
from tests.cluster.fixtures import PUBLISHED
from tests.jobs.running import call_job

pytestmark = pytest.mark.slow

README = Path(__file__).parent.parent.parent / "README.md"


@pytest.mark.usefixtures("quick")
def test_the_class_table_of_the_report_is_the_published_one(
    swept_qwen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call_job("report", f"store.url={swept_qwen}", f"out={tmp_path}") == 0
    (table,) = tmp_path.glob("*/*/class_table.csv")
    rows = list(csv.DictReader(table.read_text().splitlines()))
    classes = list(class_counts(PUBLISHED)[0])
    assert list(rows[0]) == ["layer", "component", *classes, "neurons", "neurons_without_cosine"]
    assert {int(row["layer"]): {name: int(row[name]) for name in classes} for row in rows} == class_counts(PUBLISHED)
    assert capsys.readouterr().out.count("Left out: ") == 3


def test_the_comparison_says_equal_as_the_readme_shows(swept_qwen: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (model,) = gated_ray.open_store(str(swept_qwen)).models()["model_name"].to_pylist()
    assert call_job("compare", f"store.url={swept_qwen}", f"model={model}", f"against=published:{PUBLISHED}") == 0
    verdict = capsys.readouterr().out.splitlines()[-1].removeprefix("- ")
    assert re.fullmatch(
        rf"{model} @ \w{{7}}, paper: equal to the published table of {PUBLISHED} .*116,736 neurons\)", verdict
    )
    assert verdict in README.read_text()
    assert call_job("compare", f"store.url={swept_qwen}", f"model={model}", "against=published:google/gemma-2-2b") == 1


def test_figures_can_be_drawn_without_a_store(planted_qwen: Path, tmp_path: Path) -> None:
    """The README's lines for a notebook."""
    geometry = gated_ray.analyze(str(planted_qwen), regions="none")
    class_bars(geometry.layers).savefig(tmp_path / "classes.pdf")
    figure = cosine_scatter(geometry.neurons, geometry.layers, selected=[0, 12, 23])
    assert len(save_figure(figure, tmp_path / "cosines")) == 2
