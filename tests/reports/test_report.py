import csv
from pathlib import Path
from unittest import mock

import numpy as np
import pyarrow as pa
import pytest
from matplotlib.figure import Figure

from gated_ray.errors import InputError, StoreError
from gated_ray.reports import report as report_module
from gated_ray.reports.figures import cosine_scatter
from gated_ray.reports.published_tables import class_counts
from gated_ray.reports.report import Report, write_report
from gated_ray.settings import ProfileSettings, ReportSettings, StoreSettings
from gated_ray.store.catalogue import Store
from gated_ray.store.objects import open_objects
from gated_ray.vocabulary import IO_CLASSES
from tests.reports.synthetic import REVISION, Block, block, blocks, put

_PUBLISHED = class_counts("Qwen/Qwen2.5-0.5B")
QWEN = {layer: {name: n // 16 for name, n in _PUBLISHED[layer].items()} for layer in range(6)}
PLAIN = {layer: class_counts("EleutherAI/pythia-14m")[layer] for layer in range(2)}
OTHER = "local-0123456789ab"
PER_MODEL = ["class_bars.pdf", "class_bars.png", "class_table.csv", "class_table.md", "class_table.tex"]
PER_MODEL += ["cosine_scatter.pdf", "cosine_scatter.png"]


def moe() -> list[Block]:
    experts = [block(1, QWEN[n + 2], "expert", n, without_cosine=2) for n in range(3)]
    return [block(0, QWEN[0]), *experts, block(1, QWEN[5], "shared_expert")]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> StoreSettings:
    """A gated model at two revisions, a plain one, a mixture of experts; and one model under another profile."""
    settings = StoreSettings(url=str(tmp_path_factory.mktemp("store")))
    objects = open_objects(settings)
    put(objects, "Qwen/Qwen2.5-0.5B", blocks(QWEN))
    put(objects, "Qwen/Qwen2.5-0.5B", blocks({0: QWEN[4], 1: QWEN[5]}), revision=OTHER)
    put(objects, "EleutherAI/pythia-14m", blocks(PLAIN))
    put(objects, "org/moe", moe())
    put(objects, "org/elsewhere", blocks({0: QWEN[0]}), profile="residual")
    return settings


@pytest.fixture(scope="module")
def report(store: StoreSettings, tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Path, dict[str, pa.Table]]:
    """The report of the profile ``paper``, its folder, and the neurons that each model's figure was drawn from."""
    out = tmp_path_factory.mktemp("report") / "new"
    drawn = {}

    def spy(neurons: pa.Table, layers: pa.Table, title: str) -> Figure:
        drawn[f"{layers['model_name'][0]}/{layers['model_revision'][0]}"] = neurons
        return cosine_scatter(neurons, layers, title)

    with mock.patch.object(report_module, "cosine_scatter", spy):
        return write_report(ReportSettings(store=store, out=str(out))), out, drawn


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def rows_of(out: Path, model: str) -> list[dict[str, str]]:
    return list(csv.DictReader((out / model / "class_table.csv").read_text().splitlines()))


def test_every_model_and_revision_of_the_profile_gets_its_folder(report) -> None:
    made, out, _ = report
    folders = [f"Qwen--Qwen2.5-0.5B/{REVISION}", f"Qwen--Qwen2.5-0.5B/{OTHER}"]
    folders += [f"EleutherAI--pythia-14m/{REVISION}", f"org--moe/{REVISION}"]
    expected = {f"{folder}/{name}" for folder in folders for name in PER_MODEL} | {
        "median_curves.pdf",
        "median_curves.png",
    }
    assert set(contents(out)) == expected
    assert {str(path.relative_to(out)) for path in made.files} == expected
    assert made.models == 4
    for name, content in contents(out).items():
        start = {".pdf": b"%PDF-", ".png": b"\x89PNG\r\n\x1a\n"}.get(Path(name).suffix, b"")
        assert content.startswith(start)


def test_the_class_table_of_a_stored_model_equals_its_counts(report) -> None:
    _, out, _ = report
    rows = rows_of(out, f"Qwen--Qwen2.5-0.5B/{REVISION}")
    assert {int(row["layer"]): {name: int(row[name]) for name in IO_CLASSES} for row in rows} == QWEN
    (experts,) = [row for row in rows_of(out, f"org--moe/{REVISION}") if row["component"] == "expert"]
    assert {name: int(experts[name]) for name in IO_CLASSES} == {
        name: sum(QWEN[n][name] for n in (2, 3, 4)) for name in IO_CLASSES
    }
    assert experts["neurons_without_cosine"] == "6"


def test_the_figures_are_drawn_from_all_that_the_store_holds_of_the_model(report) -> None:
    _, _, drawn = report
    assert {name: neurons.num_rows for name, neurons in drawn.items()} == {
        f"Qwen/Qwen2.5-0.5B/{REVISION}": sum(sum(classes.values()) for classes in QWEN.values()),
        f"Qwen/Qwen2.5-0.5B/{OTHER}": sum(sum(QWEN[n].values()) for n in (4, 5)),
        f"EleutherAI/pythia-14m/{REVISION}": 2 * 512,
        f"org/moe/{REVISION}": sum(sum(QWEN[n].values()) for n in (0, 2, 3, 4, 5)),
    }


def test_a_second_run_writes_the_same_bytes(report, store: StoreSettings, tmp_path: Path) -> None:
    _, out, _ = report
    write_report(ReportSettings(store=store, out=str(tmp_path)))
    assert contents(tmp_path) == contents(out)


def test_another_profile_reports_its_own_models(store: StoreSettings, tmp_path: Path) -> None:
    made = write_report(ReportSettings(store=store, profile=ProfileSettings(name="residual"), out=str(tmp_path)))
    assert made.models == 1
    assert rows_of(tmp_path, f"org--elsewhere/{REVISION}")[0]["orthogonal_output"] == str(QWEN[0]["orthogonal_output"])


def test_an_absent_profile_names_those_that_exist(store: StoreSettings, tmp_path: Path) -> None:
    wanted = ReportSettings(store=store, profile=ProfileSettings(name="mine"), out=str(tmp_path / "out"))
    with pytest.raises(InputError, match="'mine'; profiles there: paper, residual"):
        write_report(wanted)
    assert not (tmp_path / "out").exists()


def test_an_empty_store_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no published models"):
        write_report(ReportSettings(store=StoreSettings(url=str(tmp_path)), out=str(tmp_path / "out")))


def test_an_out_that_cannot_be_written_is_one_clear_error(store: StoreSettings, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("a file")
    with pytest.raises(InputError, match=f"out={out}: cannot write"):
        write_report(ReportSettings(store=store, out=str(out)))


def test_neurons_that_vanish_while_reading_are_a_store_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = StoreSettings(url=str(tmp_path / "store"))
    put(open_objects(settings), "org/model", blocks({0: QWEN[0]}))
    read_layers = Store.layers

    def layers_then_gone(store: Store, *model: str) -> pa.Table:
        for path in (tmp_path / "store" / "neurons").rglob("*.parquet"):
            path.unlink()
        return read_layers(store, *model)

    monkeypatch.setattr(Store, "layers", layers_then_gone)
    with pytest.raises(StoreError, match="cannot read the neurons of org/model"):
        write_report(ReportSettings(store=settings, out=str(tmp_path / "out")))


def test_the_curves_are_of_every_model_and_of_all_neurons_of_a_layers_experts(
    store: StoreSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[pa.Table] = []

    def spy(layers: pa.Table, models: pa.Table) -> Figure:
        drawn.append(layers)
        return Figure()

    monkeypatch.setattr(report_module, "median_curves", spy)
    monkeypatch.setattr(report_module, "_write_model", lambda *_: [])
    write_report(ReportSettings(store=store, out=str(tmp_path)))
    (rows,) = drawn
    found = {
        (row["model_name"], row["model_revision"], row["component"], row["layer"]): row for row in rows.to_pylist()
    }
    assert len(found) == rows.num_rows
    assert {(name, revision) for name, revision, _, _ in found} == {
        ("Qwen/Qwen2.5-0.5B", REVISION),
        ("Qwen/Qwen2.5-0.5B", OTHER),
        ("EleutherAI/pythia-14m", REVISION),
        ("org/moe", REVISION),
    }
    experts = [value for each in moe() if each["component"] == "expert" for value in each["cos_in_out"]]
    known = np.float32([value for value in experts if value is not None]).astype(np.float64)
    row = found["org/moe", REVISION, "expert", 1]
    assert (row["neurons"], row["cos_in_out_median"]) == (len(experts), np.median(known))
