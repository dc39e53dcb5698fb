"""The data files: bounded, complete, the same bytes every time; and what they are made of."""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from gated_ray.errors import InputError, StoreError
from gated_ray.reports.atlas import write_atlas
from gated_ray.reports.atlas.blocks import MOST_NEURONS, Block, blocks_of, chunks_of
from gated_ray.reports.atlas.medians import Medians
from gated_ray.reports.atlas.palette import VOCABULARIES, palette
from gated_ray.reports.class_names import CLASS_ORDER, class_words
from gated_ray.reports.figures import median_curves
from gated_ray.reports.figures.bars import COLOURS
from gated_ray.reports.layer_rows import layer_rows
from gated_ray.settings import ReportSettings, StoreSettings
from gated_ray.store.catalogue import Store
from gated_ray.store.objects import open_objects
from gated_ray.vocabulary import COSINES, IO_CLASSES, PLAIN_CLASSES
from tests.jobs.running import call_job
from tests.reports.atlas.made_up import REVISION, MadeUpBlock, store_model, thinned
from tests.reports.atlas.sites import BLOCKS, DENSE, LLAMA, MOE, Site, written
from tests.reports.synthetic import blocks, tables


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def document(site: Site, key: str) -> Any:
    """What a data file hands over."""
    text = (site.page.parent / "atlas" / "data" / f"{key}.js").read_text()
    found_key, found = json.loads(f"[{text.removeprefix('atlas.receive(').rstrip().removesuffix(');')}]")
    assert found_key == key
    return found


def folder(model: str, profile: str = "paper") -> str:
    return f"model={model.replace('/', '--')}/revision={REVISION}/profile={profile}"


def numbers(text: str, kind: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype=kind)


def test_equal_stores_give_equal_bytes(site: Site, tmp_path: Path) -> None:
    again = written(site.page.parent.parent / "store", tmp_path, site.tables)
    assert contents(tmp_path) == contents(site.page.parent)
    assert again.atlas.files == len(contents(tmp_path))
    assert again.atlas.bytes == sum(map(len, contents(tmp_path).values()))


def test_files_of_models_that_are_gone_are_taken_away_and_nothing_else(tmp_path: Path) -> None:
    stores = [tmp_path / name for name in ("one", "two")]
    for store, name in zip(stores, ("org/one", "org/two"), strict=True):
        store_model(open_objects(StoreSettings(url=str(store))), name, [MadeUpBlock(0, thinned(LLAMA[0], 100))])
    out = tmp_path / "out"
    for store in stores:
        write_atlas(ReportSettings(store=StoreSettings(url=str(store)), out=str(out)))
        (out / "median_curves.png").write_bytes(b"a figure")
    names = set(contents(out))
    assert "median_curves.png" in names
    assert [path.name for path in (out / "atlas" / "data").glob("model=*")] == ["model=org--two"]
    assert [name for name in names if "org--two" in name]


def test_every_model_revision_and_profile_is_there(site: Site) -> None:
    overview = document(site, "overview")
    paths = sorted((model["name"], model["profile"]) for model in overview["models"])
    assert paths == sorted([(name, "paper") for name in BLOCKS] + [(DENSE, "residual")])
    assert site.atlas.models == len(paths)


def test_an_experts_neurons_are_in_the_file_that_is_said(site: Site) -> None:
    rows = document(site, f"{folder(MOE)}/model")["rows"]
    for row in rows:
        for number, start in enumerate(row["files"]):
            file = document(site, f"{folder(MOE)}/neurons/{row['layer']}-{row['component']}-{number}")
            experts = [block["expert"] for block in file["blocks"]]
            assert experts == ([None] if row["experts"] is None else row["experts"][start : start + len(experts)])
            assert len(numbers(file["columns"][6], "u1")) == sum(block["neurons"] for block in file["blocks"])


def test_classes_of_every_expert_are_the_layers_tables(site: Site) -> None:
    file = document(site, f"{folder(MOE)}/experts")["expert"]
    counts = numbers(file["counts"], "<u4").reshape(len(file["layers"]), len(file["experts"]), len(IO_CLASSES))
    rows = site.store.layers(MOE).filter(pc.is_valid(site.store.layers(MOE)["expert"])).to_pylist()
    assert counts.sum() == sum(row[name] for row in rows for name in IO_CLASSES)
    for row in rows:
        place = file["layers"].index(row["layer"]), file["experts"].index(row["expert"])
        assert counts[place].tolist() == [row[name] for name in IO_CLASSES]


def test_blocks_share_files_of_bounded_size() -> None:
    blocks = [Block(expert, 10_000, 10_000 * expert, {}) for expert in range(8)] + [Block(8, 100_000, 80_000, {})]
    chunks = list(chunks_of(blocks))
    assert [block for chunk in chunks for block in chunk] == blocks
    assert [len(chunk) for chunk in chunks] == [3, 3, 2, 1]
    assert all(sum(block.neurons for block in chunk) <= MOST_NEURONS for chunk in chunks[:-1])
    assert list(chunks_of([])) == []


def test_blocks_stand_one_after_another(site: Site) -> None:
    layers = site.store.layers(MOE)
    (row,) = [row for row in layer_rows(layers) if (row.layer, row.component) == (2, "expert")]
    blocks = blocks_of(layers, row)
    assert [block.expert for block in blocks] == list(range(6))
    assert [block.start for block in blocks] == np.cumsum([0, *(block.neurons for block in blocks[:-1])]).tolist()


@pytest.mark.parametrize("parts", [[1], [4], [3, 2], [50, 0, 51]])
def test_medians_over_parts_are_those_of_all(parts: list[int]) -> None:
    rng = np.random.default_rng(0)
    tables = [
        pa.table({name: pa.array(np.round(rng.uniform(-1, 1, n), 4), pa.float32()) for name in COSINES}) for n in parts
    ]
    medians = Medians()
    for table in tables:
        medians.add(table)
    whole = pa.concat_tables(tables)
    wanted = [np.median(1e4 * whole[name].to_numpy().astype(float)) for name in COSINES]
    assert medians.in_ten_thousandths() == pytest.approx(wanted, abs=1e-3)
    assert Medians().in_ten_thousandths() == [None, None, None]


def test_a_store_whose_experts_have_no_rows_together_has_curves_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = open_objects(StoreSettings(url=str(tmp_path / "store")))
    store_model(objects, MOE, [block for block in BLOCKS[MOE] if block.component == "expert"])
    read = Store.expert_layers
    monkeypatch.setattr(Store, "expert_layers", lambda *args: read(*args).slice(0, 0))
    write_atlas(ReportSettings(store=StoreSettings(url=str(tmp_path / "store")), out=str(tmp_path / "out")))
    text = (tmp_path / "out" / "atlas" / "data" / "overview.js").read_text()
    assert '"layers":[1,2,3],"depths":[0.3333333333333333,0.6666666666666666,1.0]' in text


def test_tables_that_contradict_each_other_are_a_store_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = open_objects(StoreSettings(url=str(tmp_path / "store")))
    store_model(objects, "org/model", [MadeUpBlock(0, thinned(LLAMA[0], 100))])
    read = Store.layers

    def one_more(*args: Any) -> pa.Table:
        table = read(*args)
        place = table.column_names.index("neurons")
        return table.set_column(place, table.schema.field(place), pc.add(table["neurons"], 1).cast(pa.int32()))

    monkeypatch.setattr(Store, "layers", one_more)
    with pytest.raises(StoreError, match=r"org/model, layer 0, mlp: .* neurons where the layers table says"):
        write_atlas(ReportSettings(store=StoreSettings(url=str(tmp_path / "store")), out=str(tmp_path / "out")))


def test_an_out_that_cannot_be_written_is_one_clear_error(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file")
    url = str(site.page.parent.parent / "store")
    with pytest.raises(InputError, match=r"out=.*file: cannot write"):
        write_atlas(ReportSettings(store=StoreSettings(url=url), out=str(tmp_path / "file")))


def test_an_empty_store_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no published models"):
        write_atlas(ReportSettings(store=StoreSettings(url=str(tmp_path)), out=str(tmp_path / "out")))


def test_the_page_looks_and_speaks_as_the_figures_do() -> None:
    classes = palette()["classes"]
    assert [each["name"] for each in classes] == list(IO_CLASSES)
    for each in classes:
        assert each["colour"] == COLOURS[each["name"].removeprefix("atypical_")]
        assert each["words"] == {key: class_words(each["name"], key) for key in VOCABULARIES}
    assert len(set(palette()["scale"]["light"])) == 24
    assert [IO_CLASSES[place] for place in palette()["gated"]] == list(CLASS_ORDER)
    assert [IO_CLASSES[place] for place in palette()["plain"]] == [
        name for name in CLASS_ORDER if name in PLAIN_CLASSES
    ]


def test_lines_have_the_colours_of_the_figure_of_medians() -> None:
    made = [tables(f"org/{n}", blocks({0: LLAMA[0], 1: LLAMA[1]})) for n in range(len(palette()["lines"]))]
    figure = median_curves(*(pa.concat_tables([each[table] for each in made]) for table in (1, 2)))
    drawn = {line.get_color() for line in figure.axes[0].lines if line.get_label().startswith("org/")}
    assert drawn == set(palette()["lines"])


def test_the_job_writes_the_atlas_beside_the_figures_and_names_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    objects = open_objects(StoreSettings(url=str(tmp_path / "store")))
    store_model(objects, "org/model", [MadeUpBlock(0, thinned(LLAMA[0], 100))])
    out = tmp_path / "out"
    assert call_job("report", f"store.url={tmp_path / 'store'}", f"out={out}") == 0
    assert f"Atlas: open {out / 'index.html'} (1 model, " in capsys.readouterr().out
    assert (out / "median_curves.pdf").exists()
    assert (out / "atlas" / "vendor" / "LICENSE").read_text().lstrip().startswith("Apache License")
