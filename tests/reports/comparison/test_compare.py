"""`jobs.compare`: what is compared, what is printed and written, and the exit code."""

import csv
import io
import re
from pathlib import Path

import pytest

from gated_ray.errors import InputError
from gated_ray.reports.comparison.compare import run_compare
from gated_ray.reports.published_tables import class_counts
from gated_ray.settings import CompareSettings, ProfileSettings, StoreSettings
from gated_ray.store.objects import open_objects
from gated_ray.vocabulary import IO_CLASSES
from tests.jobs.running import call_job
from tests.reports.synthetic import block, blocks, put

PYTHIA, QWEN = "EleutherAI/pythia-14m", "Qwen/Qwen2.5-0.5B"
STEP, LAST = "local-aaaaaaaaaaaa", "local-bbbbbbbbbbbb"
FEW = dict.fromkeys(IO_CLASSES, 3)
MORE_DEPLETION = FEW | {"depletion": 5, "enrichment": 1}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> StoreSettings:
    """Two published models, a stand-in, a model at two revisions, of which one under two profiles."""
    settings = StoreSettings(url=str(tmp_path_factory.mktemp("compared") / "store"))
    objects = open_objects(settings)
    put(objects, PYTHIA, blocks(class_counts(PYTHIA)))
    put(objects, "stand-in", blocks(class_counts(PYTHIA)))
    put(objects, "org/runs", [block(0, FEW), block(1, FEW)], revision=STEP)
    put(objects, "org/runs", [block(0, FEW), block(1, MORE_DEPLETION)], revision=LAST)
    put(objects, "org/runs", [block(0, FEW), block(1, FEW)], revision=LAST, profile="residual")
    return settings


def compare(store: StoreSettings, **settings: object) -> tuple[str, bool]:
    found = run_compare(CompareSettings(store=store, **settings))
    return found.page, found.equal


def verdicts(page: str) -> list[str]:
    return page.split("## Verdict\n\n")[1].splitlines()


def cells(page: str) -> list[list[str]]:
    """The rows of all tables, as bare texts."""
    rows = [line for line in page.splitlines() if line.startswith("|") and not line.startswith("| :")]
    return [[cell.strip(" *") for cell in line.strip("|").split("|")] for line in rows if "---:" not in line]


def test_every_model_that_was_published_is_compared_and_the_others_are_named(store: StoreSettings) -> None:
    page, equal = compare(store)
    assert equal
    assert verdicts(page) == [
        f"- {PYTHIA} @ 0123456, paper: equal to the published table of {PYTHIA} (6 layers, 3 classes, 3,072 neurons)",
        "- not compared, because nothing was published: org/runs, stand-in",
    ]


def test_a_stand_in_is_compared_with_the_model_it_stands_for(store: StoreSettings) -> None:
    page, equal = compare(store, model="stand-in", against=f"published:{PYTHIA}")
    assert equal
    assert verdicts(page)[0].startswith(f"- stand-in @ 0123456, paper: equal to the published table of {PYTHIA}")


def test_one_changed_cell_is_found_and_shown_with_both_numbers(tmp_path: Path) -> None:
    settings = StoreSettings(url=str(tmp_path))
    counts = class_counts(PYTHIA)
    counts[4]["depletion"] += 1
    put(open_objects(settings), PYTHIA, blocks(counts))
    page, equal = compare(settings)
    assert not equal
    published = class_counts(PYTHIA)[4]["depletion"]
    assert cells(page)[1] == ["4", "depletion", str(published), str(published + 1), "+1"]
    assert "differs from the published table of EleutherAI/pythia-14m: 1 of 18 cells" in verdicts(page)[0]


def test_a_difference_of_weights_prepared_otherwise_is_explained(tmp_path: Path) -> None:
    settings = StoreSettings(url=str(tmp_path))
    put(open_objects(settings), "google-t5/t5-small", blocks({0: class_counts("google-t5/t5-small")[0]}))
    page, _ = compare(settings)
    assert verdicts(page)[0].endswith(
        "(how the weights of this model were prepared for the published table is not known)"
    )


def test_revisions_are_compared_neuron_by_neuron(store: StoreSettings, tmp_path: Path) -> None:
    page, equal = compare(store, model=f"org/runs@{STEP}", against="@bbbbbbb", out=str(tmp_path / "out"))
    assert not equal
    changed = sum(
        int(row["neurons"])
        for row in csv.DictReader(io.StringIO((tmp_path / "out" / "transitions.csv").read_text()))
        if row["from_class"] != row["to_class"]
    )
    assert changed > 0
    assert verdicts(page) == [
        f"- org/runs @ aaaaaaa, paper and org/runs @ bbbbbbb, paper: {changed} of 66 neurons "
        f"({100 * changed / 66:.2g} %) have another class"
    ]
    assert (tmp_path / "out" / "comparison.md").read_text() == page
    by_layer = {row[0]: row for row in cells(page) if re.fullmatch(r"\d", row[0])}
    assert by_layer["0"][1:4] == ["33", "0", "0 %"]
    assert by_layer["1"][2] == str(changed)


def test_the_table_of_transitions_adds_up(store: StoreSettings) -> None:
    head, *rows = cells(compare(store, model=f"org/runs@{STEP}", against=f"org/runs@{LAST}")[0])
    assert head[1:12] == ["E", "aE", "cE", "acE", "P", "aP", "O", "D", "aD", "cD", "acD"]
    matrix = {row[0]: [int(cell) for cell in row[1:]] for row in rows[:12]}
    assert matrix["E"][11] == sum(matrix["E"][:11]) == 6
    assert matrix["neurons"][:11] == [4, 6, 6, 6, 6, 6, 6, 8, 6, 6, 6]
    assert matrix["neurons"][11:] == [66, sum(row[12] for name, row in matrix.items() if name != "neurons")]


def test_profiles_are_compared_and_equal_ones_are_equal(store: StoreSettings) -> None:
    page, equal = compare(store, model=f"org/runs@{LAST}:residual", against=f"org/runs@{STEP}:paper")
    assert equal
    assert verdicts(page)[0].endswith("equal, all 66 neurons have the same class")
    assert not compare(store, model=f"org/runs@{LAST}", against=":residual")[1]
    assert compare(store, model=f"org/runs@{LAST}", against=":residual", profile=ProfileSettings(name="paper"))[0]


REFUSED = {
    "several revisions": (
        {"model": "org/runs", "against": "@bbbbbbb"},
        "model=org/runs is several: org/runs@local-aaa",
    ),
    "no such model": ({"model": "org/none"}, "org/none: not in the store under profile paper; there: "),
    "no such revision": (
        {"model": "org/runs@step7"},
        "org/runs@step7: not in the store under profile paper; there: org/runs@",
    ),
    "no such profile": (
        {"model": f"org/runs@{STEP}", "against": ":residual"},
        ":residual: not in the store; there: org/runs@",
    ),
    "only one side": ({"against": "@bbbbbbb"}, "against=@bbbbbbb: give model= too"),
    "a stand-in for what": ({"against": f"published:{PYTHIA}"}, "give model= too"),
    "not published": ({"model": "stand-in"}, "nothing was published on stand-in; name a published model"),
    "no such published model": (
        {"model": "stand-in", "against": "published:org/x"},
        "org/x: no published class counts",
    ),
    "other shapes": (
        {"model": "stand-in", "against": f"org/runs@{STEP}"},
        "layers differ: only one of both has layers 2-5",
    ),
    "a profile without models": ({"profile": ProfileSettings(name="mine")}, "nothing was published on profile mine"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_compared_is_refused_in_a_line(case: str, store: StoreSettings) -> None:
    settings, words = REFUSED[case]
    with pytest.raises(InputError) as error:
        compare(store, **settings)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_the_rw_vocabulary(store: StoreSettings, tmp_path: Path) -> None:
    page, _ = compare(store, model=f"org/runs@{STEP}", against="@bbbbbbb", vocabulary="rw", out=str(tmp_path))
    written = page + (tmp_path / "transitions.csv").read_text()
    assert "S: strengthening" in page
    assert "weakening" in written
    assert "enrichment" not in written
    assert "depletion" not in written


def test_an_out_that_cannot_be_written_is_one_clear_error(store: StoreSettings, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(InputError, match="cannot write"):
        compare(store, out=str(tmp_path / "out"))


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ([], 0),
        (["model=stand-in", f"against=published:{PYTHIA}"], 0),
        ([f"model=org/runs@{STEP}", "against=@bbbbbbb"], 1),
        ([f"model=org/runs@{LAST}:residual", f"against=org/runs@{STEP}:paper"], 0),
        (["model=org/none"], 1),
    ],
)
def test_the_command_prints_and_exits_0_only_where_all_is_equal(
    settings: list[str], code: int, store: StoreSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call_job("compare", f"store.url={store.url}", *settings) == code
    printed = capsys.readouterr()
    assert ("## Verdict" in printed.out) == (not printed.err)


def test_help_shows_what_can_be_compared(capsys: pytest.CaptureFixture[str]) -> None:
    assert call_job("compare", "--help") == 0
    printed = capsys.readouterr().out
    for words in ("against=published:ORG/NAME", "against=@main", "against=:residual", "against=OTHER", "Exit code 0"):
        assert words in printed
