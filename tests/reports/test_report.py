import csv
from pathlib import Path
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from matplotlib.figure import Figure

from gated_ray.errors import InputError, StoreError
from gated_ray.reports import model_files as model_files_module
from gated_ray.reports import report as report_module
from gated_ray.reports.figures import COLUMN, cosine_scatter
from gated_ray.reports.published_tables import class_counts
from gated_ray.reports.report import Report, write_report
from gated_ray.settings import ProfileSettings, ReportSettings, StoreSettings
from gated_ray.store.activation_schemas import ACTIVATION_PARTITION_FIELDS
from gated_ray.store.catalogue import Store
from gated_ray.store.objects import open_objects
from gated_ray.vocabulary import IO_CLASSES, PLAIN_CLASSES
from tests.jobs.running import call_job
from tests.reports.conftest import saved
from tests.reports.models import DATASET, activations_of
from tests.reports.synthetic import REVISION, Block, block, blocks, put

_PUBLISHED = class_counts("Qwen/Qwen2.5-0.5B")
QWEN = {layer: {name: n // 16 for name, n in _PUBLISHED[layer].items()} for layer in range(6)}
PLAIN = {layer: class_counts("EleutherAI/pythia-14m")[layer] for layer in range(2)}
OTHER = "local-0123456789ab"
TABLES = ["class_table.csv", "class_table.md", "class_table.tex"]
FIGURES = ["class_bars", "cosine_boxes", "cosine_scatter", "cosine_scatter_selected", "cosines_and_norms", "norms"]
EXPERT_FIGURES = ["expert_heatmap", "shared_and_routed"]


def moe() -> list[Block]:
    experts = [block(1, QWEN[n + 2], "expert", n, without_cosine=2) for n in range(3)]
    return [block(0, QWEN[0]), *experts, block(1, QWEN[5], "shared_expert")]


def named(figures: list[str]) -> list[str]:
    return [f"{name}.{suffix}" for name in figures for suffix in ("pdf", "png")]


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
    """The report of the profile ``paper``, its folder, and the neurons that each model's scatter was drawn from."""
    out = tmp_path_factory.mktemp("report") / "new"
    drawn = {}

    def spy(neurons: pa.Table, layers: pa.Table, *options: object) -> Figure:
        drawn[f"{layers['model_name'][0]}/{layers['model_revision'][0]}"] = neurons
        return cosine_scatter(neurons, layers, *options)

    with (
        mock.patch.object(model_files_module, "cosine_scatter", spy),
        mock.patch.object(report_module, "save_figure", saved),
        mock.patch.object(model_files_module, "save_figure", saved),
    ):
        return write_report(ReportSettings(store=store, out=str(out))), out, drawn


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def rows_of(out: Path, model: str, name: str = "class_table") -> list[dict[str, str]]:
    return list(csv.DictReader((out / model / f"{name}.csv").read_text().splitlines()))


def a_store(folder: Path, **models: list[Block]) -> StoreSettings:
    settings = StoreSettings(url=str(folder / "store"))
    for name, made in models.items():
        put(open_objects(settings), f"org/{name}", made)
    return settings


def test_every_model_and_revision_of_the_profile_gets_its_folder(report) -> None:
    made, out, _ = report
    qwen = "Qwen--Qwen2.5-0.5B"
    folders = [f"{qwen}/{REVISION}", f"{qwen}/{OTHER}", f"EleutherAI--pythia-14m/{REVISION}", f"org--moe/{REVISION}"]
    expected = {f"{folder}/{name}" for folder in folders for name in [*TABLES, *named(FIGURES)]}
    expected |= {f"org--moe/{REVISION}/{name}" for name in named(EXPERT_FIGURES)}
    expected |= {f"{qwen}/{name}" for name in named(["training_shares"])} | set(named(["median_curves"]))
    assert set(contents(out)) == expected
    assert {str(path.relative_to(out)) for path in made.files} == expected
    assert made.models == 4
    assert made.left_out == ("no activation statistics, so no frequency table and figures",)


def test_the_page_on_reports_names_every_file(report) -> None:
    made, _, _ = report
    page = (Path(__file__).parent.parent.parent / "docs" / "report.md").read_text()
    stems = {path.stem for path in made.files} | {"frequency_table", "frequency_by_class", "frequency_and_cosines"}
    assert [stem for stem in sorted(stems) if f"{stem}`" not in page] == []


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


def test_a_second_run_writes_the_same_bytes(quick: None, report, store: StoreSettings, tmp_path: Path) -> None:
    _, out, _ = report
    write_report(ReportSettings(store=store, out=str(tmp_path)))
    assert contents(tmp_path) == contents(out)


def test_another_profile_reports_its_own_models(quick: None, store: StoreSettings, tmp_path: Path) -> None:
    made = write_report(ReportSettings(store=store, profile=ProfileSettings(name="residual"), out=str(tmp_path)))
    assert made.models == 1
    assert rows_of(tmp_path, f"org--elsewhere/{REVISION}")[0]["orthogonal_output"] == str(QWEN[0]["orthogonal_output"])


def test_the_width_of_a_column_is_for_all_figures_but_the_grid_of_all_layers(quick: None, tmp_path: Path) -> None:
    settings = a_store(tmp_path, tiny=[block(0, dict.fromkeys(IO_CLASSES, 2))])
    write_report(ReportSettings(store=settings, out=str(tmp_path / "out"), width="column"))
    widths = {Path(name).stem: float(text) for name, text in contents(tmp_path / "out").items() if name.endswith("png")}
    assert {name for name, width in widths.items() if width != COLUMN} == {"cosine_scatter"}


def test_the_rw_vocabulary_reaches_tables_and_figures(tmp_path: Path) -> None:
    settings = a_store(tmp_path, tiny=[block(0, dict.fromkeys(IO_CLASSES, 2), "expert", 0)])
    written: list[str] = []

    def spy(figure: Figure, stem: Path) -> list[Path]:
        written.extend(text.get_text() for text in figure.findobj(match=lambda artist: hasattr(artist, "get_text")))
        return []

    with (
        mock.patch.object(report_module, "save_figure", spy),
        mock.patch.object(model_files_module, "save_figure", spy),
    ):
        write_report(ReportSettings(store=settings, out=str(tmp_path / "out"), vocabulary="rw"))
    words = " ".join(written) + " ".join(text.decode() for text in contents(tmp_path / "out").values())
    assert "strengthening" in words
    assert "weakening" in words
    assert "depletion" not in words
    assert "enrichment" not in words


def test_layers_that_were_asked_for_are_shown_where_a_model_has_them(quick: None, tmp_path: Path) -> None:
    tiny = dict.fromkeys(IO_CLASSES, 2)
    settings = a_store(tmp_path, deep=[block(layer, tiny) for layer in range(9)], shallow=[block(0, tiny)])
    shown = {}

    def spy(neurons: pa.Table, layers: pa.Table, title: str, selected: list[int] | None, *_: object) -> Figure:
        if selected is not None:
            shown[layers["model_name"][0].as_py()] = selected
        return Figure()

    with mock.patch.object(model_files_module, "cosine_scatter", spy):
        made = write_report(ReportSettings(store=settings, out=str(tmp_path / "out"), layers=[7, 3]))
        assert shown == {"org/deep": [7, 3], "org/shallow": [0]}
        assert any("none of the layers asked for" in line and "org/shallow" in line for line in made.left_out)
        write_report(ReportSettings(store=settings, out=str(tmp_path / "out")))
        assert shown == {"org/deep": [0, 2, 4, 6, 8], "org/shallow": [0]}


LACKS_ACTIVATIONS = "no activation statistics, so no frequency table and figures"
LACKS_EXPERTS = "no mixture of experts, so no figures of experts"
LACKS_REVISIONS = "no model at several revisions, so no figure of its training"


@pytest.mark.parametrize(
    ("models", "lines"),
    [
        ({"plain": [block(0, dict.fromkeys(PLAIN_CLASSES, 3))]}, (LACKS_EXPERTS, LACKS_REVISIONS)),
        (
            {"moe": [block(0, dict.fromkeys(IO_CLASSES, 2), "expert", n) for n in range(2)]},
            (LACKS_ACTIVATIONS, LACKS_REVISIONS),
        ),
        (
            {
                "null": [block(0, dict.fromkeys(IO_CLASSES, 0), without_cosine=3)],
                "one": [block(0, dict.fromkeys(IO_CLASSES, 1))],
            },
            (
                "no neuron has a class, figures are empty: org/null @ 0123456",
                LACKS_ACTIVATIONS,
                LACKS_EXPERTS,
                LACKS_REVISIONS,
            ),
        ),
    ],
)
def test_every_figure_comes_out_and_what_is_missing_is_said(
    models: dict[str, list[Block]],
    lines: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    quick: None,
) -> None:
    settings = a_store(tmp_path, **models)
    assert call_job("report", f"store.url={settings.url}", f"out={tmp_path / 'out'}") == 0
    printed = capsys.readouterr().out
    assert (
        tuple(line.removeprefix("Left out: ") for line in printed.splitlines() if line.startswith("Left out")) == lines
    )
    names = {Path(name).name for name in contents(tmp_path / "out")}
    assert {*TABLES, *named(FIGURES), *named(["median_curves"])} <= names


ACTIVATION_PARTITION = [field.name for field in ACTIVATION_PARTITION_FIELDS]


def test_activation_statistics_are_reported_once_the_store_has_them(
    quick: None, store: StoreSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    neurons = report_module.open_store(store.url).neurons("org/moe").to_table()
    activations = activations_of(neurons)

    published = pa.table({name: activations[name].unique() for name in ACTIVATION_PARTITION})
    monkeypatch.setattr(Store, "activation_models", lambda _: published)
    monkeypatch.setattr(Store, "activations", lambda *_: ds.InMemoryDataset(activations))
    made = write_report(ReportSettings(store=store, out=str(tmp_path)))
    folder = f"org--moe/{REVISION}/frequency-{DATASET}"
    assert {Path(name).name for name in contents(tmp_path) if name.startswith(folder)} == {
        *(f"frequency_table.{suffix}" for suffix in ("csv", "md", "tex")),
        *named(["frequency_by_class", "frequency_and_cosines"]),
    }
    classes = np.array(neurons["io_class"].to_pylist(), dtype=object)
    frequency = activations["gate_positive_freq"].to_numpy()
    for row in rows_of(tmp_path, folder, "frequency_table"):
        mine = frequency[classes == row["io_class"]]
        assert int(row["neurons"]) == len(mine)
        assert row["freq_gate_positive"] == (f"{mine.mean():.6f}" if len(mine) else "")
    assert made.left_out[0].startswith(f"{LACKS_ACTIVATIONS}: Qwen/Qwen2.5-0.5B")


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

    def spy(layers: pa.Table, models: pa.Table, width: float) -> Figure:
        drawn.append(layers)
        return Figure()

    monkeypatch.setattr(report_module, "median_curves", spy)
    monkeypatch.setattr(report_module, "write_model", lambda *_: [])
    monkeypatch.setattr(report_module, "save_figure", lambda *_: [])
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


def test_a_model_is_read_one_layer_at_a_time(
    store: StoreSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that memory depends on a layer's size and not on the model's."""
    most = 0
    read = report_module.read_neurons

    class OneAtATime:
        def __init__(self, dataset: ds.Dataset) -> None:
            self.dataset, self.schema = dataset, dataset.schema

        def to_table(self, **options: object) -> pa.Table:
            nonlocal most
            table = self.dataset.to_table(**options)
            most = max(most, len(set(table["layer"].to_pylist())))
            return table

    monkeypatch.setattr(report_module, "read_neurons", lambda neurons, *rest: read(OneAtATime(neurons), *rest))
    monkeypatch.setattr(report_module, "write_model", lambda *_: [])
    monkeypatch.setattr(report_module, "save_figure", lambda *_: [])
    write_report(ReportSettings(store=store, out=str(tmp_path)))
    assert most == 1
