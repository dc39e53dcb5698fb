"""jobs.export: a folder that `datasets` reads and the Hub takes, in our columns or in those of the authors."""

from collections import defaultdict
from pathlib import Path

import datasets
import pytest
from huggingface_hub import DatasetCard

from gated_ray.errors import InputError
from gated_ray.reports.dataset_card import dataset_card
from gated_ray.reports.export import Export, export_dataset
from gated_ray.settings import ExportSettings, StoreSettings
from gated_ray.store.catalogue import Store, open_store
from gated_ray.store.folder import FolderObjects
from tests.store.made_up_statistics import NEURONS, PARTITION, ROW, TOP, make

CHECKED = (("gate+_in+", "post", "hook_post"), ("gate-_in+", "act", "swish"), ("gate+_in-", "gate", "hook_pre"))


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    make(FolderObjects(str(tmp_path / "store")))
    return open_store(str(tmp_path / "store"))


def export(tmp_path: Path, **settings: str) -> Export:
    return export_dataset(
        ExportSettings(store=StoreSettings(url=str(tmp_path / "store")), out=str(tmp_path / "out"), **settings)
    )


def load(folder: Path, config: str) -> datasets.Dataset:
    return datasets.load_dataset(str(folder), config, split="train", cache_dir=str(folder.parent / "cache"))


def test_our_columns_as_they_are_published(store: Store, tmp_path: Path) -> None:
    written = export(tmp_path)
    assert written.rows == {"activations": 3 * NEURONS, "examples": 3 * NEURONS * 14 * TOP}
    ours = store.activations().to_table().to_pylist()
    assert load(written.folder, "activations").to_list() == ours
    assert load(written.folder, "examples").num_rows == written.rows["examples"]
    card = DatasetCard.load(written.folder / "README.md")
    assert card.data.license == "mit"
    assert [each["config_name"] for each in card.data.configs] == ["activations", "examples"]
    assert (
        "`org/model` at `0000000000000000000000000000000000000000` over `my texts`: 12 documents, 120 tokens of `texts`"
        in card.text
    )
    assert "data.text=texts data.max_length=16 data.seed=0 'data.name=my texts' statistics.dtype=float32" in card.text


def test_columns_of_the_authors(store: Store, tmp_path: Path) -> None:
    written = export(tmp_path, columns="reference")
    assert list(written.rows) == ["activations"]
    rows = load(written.folder, "activations").to_list()
    examples = defaultdict(list)
    for each in store.examples().to_table().to_pylist():
        place = (each["layer"], each["expert"], each["neuron"])
        examples[place, each["quadrant"], each["quantity"]].append((each["value"], each["document"]))
    for row, ours in zip(rows, store.activations().to_table().to_pylist(), strict=True):
        place = (row["layer"], row["expert"], row["neuron"])
        assert place == (ours["layer"], ours["expert"], ours["neuron"])
        assert row["gate+_in-_freq"] == ours["gate+_in-_freq"]
        assert row["gate+_in-_hook_pre_linear_mean"] == ours["gate+_in-_mean_in"]
        assert row["gate-_in-_swish_mean"] == ours["gate-_in-_mean_act"]
        for quadrant, quantity, hook in (
            ("gate+_in+", "post", "hook_post"),
            ("gate-_in+", "act", "swish"),
            ("gate+_in-", "gate", "hook_pre"),
        ):
            found = zip(row[f"{quadrant}_{hook}_max_values"], row[f"{quadrant}_{hook}_max_indices"], strict=True)
            assert list(found) == examples[place, quadrant, quantity]
        assert "gate+_in+_swish_max_values" not in row


def test_an_export_is_replaced_and_nothing_else(store: Store, tmp_path: Path) -> None:
    first = export(tmp_path)
    export(tmp_path, columns="reference")
    assert sorted(path.name for path in first.folder.iterdir()) == ["README.md", "activations"]
    (first.folder / "thesis.tex").touch()
    with pytest.raises(InputError, match=r"holds thesis\.tex, which is no part of an export; name another folder"):
        export(tmp_path)
    assert (first.folder / "README.md").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".out")]


def test_nothing_that_was_asked_for(store: Store, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing published with model='org/other', profile 'paper', dataset=None"):
        export(tmp_path, model="org/other")
    assert not (tmp_path / "out").exists()


def test_hostile_names_stay_names() -> None:
    row = ROW | {
        "model_name": "a`b\n# not a heading\N{RIGHT-TO-LEFT OVERRIDE}",
        "model_revision": "local-0",
        "profile_name": "paper",
        "dataset_name": "x'; rm -rf /",
        "location": "/home/somebody/model",
        "documents": 1,
        "tokens": 1,
        "license": "Weird License: v1",
    }
    card = DatasetCard(dataset_card(["activations"], [], [row], "own", None))
    assert (card.data.license, card.data.license_name) == ("other", "Weird License: v1")
    assert "\n# not a heading" not in card.text
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in card.text
    assert "somebody" not in card.text
    assert """'data.name=x'"'"'; rm -rf /'""" in card.text


def test_a_dataset_of_the_hub_keeps_its_revision() -> None:
    names = PARTITION.columns | {"documents": 1, "tokens": 1}
    row = ROW | names | {"text": "hf://datasets/org/texts/data", "text_revision": "abc"}
    card = dataset_card(["activations"], [], [row], "own", "apache-2.0")
    assert "data.text=hf://datasets/org/texts@abc/data" in card
    assert "license: apache-2.0" in card
