"""jobs.tokens as a user runs it: once a tokenizer, again for nothing, verified, and told in lines or events."""

import json
from pathlib import Path

import pytest

from gated_ray.settings import StoreSettings
from gated_ray.store.objects import open_objects
from gated_ray.store.tokens import read_shard, read_token_dataset, token_partitions
from tests.activations.corpora import documents, lines
from tests.activations.small_tokenizers import LLAMA, tokenizer_folder
from tests.jobs.running import call_job
from tests.store.made_up import contents


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.jsonl").write_bytes(lines(documents(200)))
    return tmp_path / "texts"


def test_two_tokenizers_three_models(
    texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(LLAMA.parent.parent)
    other = tokenizer_folder("enclosed", tmp_path)
    refs = f"models.refs=[tiny-docs-llama/main,{other},tiny-docs-llama@step0]"
    command = ["tokens", refs, f"data.text={texts}", f"store.url={tmp_path / 'store'}", "data.shard_tokens=4000"]
    assert call_job(*command) == 0
    printed = capsys.readouterr()
    objects = open_objects(StoreSettings(str(tmp_path / "store")))
    partitions = token_partitions(objects)
    assert len(partitions) == 2
    for partition in partitions:
        dataset = read_token_dataset(objects, partition)
        assert dataset is not None
        assert partition.path in printed.out
        for number in (dataset.documents, dataset.found, dataset.tokens, dataset.empty, len(dataset.shards)):
            assert f"{number:,}" in printed.out
        assert sum(read_shard(objects, shard).num_rows for shard in dataset.shards) == dataset.documents
    assert "tiny-docs-llama/main, tiny-docs-llama@step0 " in printed.out
    assert "texts |" in printed.err
    before = contents(objects)
    assert call_job(*command) == 0
    again = capsys.readouterr()
    assert (again.out, again.err) == (printed.out, "")
    assert contents(objects) == before
    assert call_job("verify", f"store.url={tmp_path / 'store'}") == 0
    assert "0 published models, 0 units, 13 objects, 2 token datasets, " in capsys.readouterr().out
    next((tmp_path / "store" / "tokens").rglob("*.parquet")).unlink()
    assert call_job("verify", f"store.url={tmp_path / 'store'}") == 1
    out = capsys.readouterr().out
    assert "missing" in out
    assert "delete the object named and its dataset.json, then run jobs.tokens again" in out


def test_a_model_without_a_tokenizer_does_not_stop_the_others(
    texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "config.json").write_text("{}")
    refs = f"models.refs=[{tmp_path / 'none'},{LLAMA},./nowhere]"
    assert call_job("tokens", refs, f"data.text={texts}", f"store.url={tmp_path / 'store'}") == 1
    printed = capsys.readouterr()
    failed = [line for line in printed.err.splitlines() if line.startswith("FAILED")]
    assert (
        failed[0]
        == f"FAILED {tmp_path / 'none'}: holds no tokenizer (no tokenizer.json, tokenizer.model or vocab.json)"
    )
    assert failed[1].startswith("FAILED ./nowhere: ")
    assert len(token_partitions(open_objects(StoreSettings(str(tmp_path / "store"))))) == 1


def test_ids_need_no_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "ids.json").write_text("[[1, 2], [], [3]]")
    store = f"store.url={tmp_path / 'store'}"
    assert call_job("tokens", f"data.token_ids={tmp_path / 'ids.json'}", "data.name=mine", store) == 0
    assert f"{tmp_path / 'store'}/tokens/dataset=mine/tokenizer=given/" in capsys.readouterr().out
    assert call_job("verify", store) == 0


def test_events(texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refs = f"models.refs=[{LLAMA},{tmp_path / 'none'}]"
    command = [refs, f"data.text={texts}", f"store.url={tmp_path / 'store'}", "log=json"]
    assert call_job("tokens", *command) == 1
    failed, tokenized = map(json.loads, capsys.readouterr().out.splitlines())
    assert (failed["event"], failed["model"]) == ("failed", str(tmp_path / "none"))
    (partition,) = token_partitions(open_objects(StoreSettings(str(tmp_path / "store"))))
    dataset = read_token_dataset(open_objects(StoreSettings(str(tmp_path / "store"))), partition)
    assert dataset is not None
    assert tokenized.pop("time")
    assert tokenized == {
        "event": "tokenized",
        "models": [str(LLAMA)],
        "store": str(tmp_path / "store"),
        "dataset": "texts",
        "tokenizer": partition.tokenizer,
        "documents": dataset.documents,
        "tokens": dataset.tokens,
        "truncated": 0,
        "empty": 200 - dataset.documents,
        "found": 200,
        "shards": 1,
        "folder": f"tokens/{partition.path}/",
    }


def test_progress_as_events(
    texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("gated_ray.activations.telling.LINE_SECONDS", 0)
    command = [f"models.refs=[{LLAMA}]", f"data.text={texts}", f"store.url={tmp_path / 'store'}", "log=json"]
    assert call_job("tokens", *command) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    progress = [event for event in events if event["event"] == "tokenizing"]
    assert progress[0]["bytes_read"] == progress[0]["bytes_to_read"] == (texts / "a.jsonl").stat().st_size
    assert progress[-1]["tokens"] == events[-1]["tokens"]
    assert progress[-1]["documents"] == events[-1]["documents"]
    assert {(event["dataset"], event["tokenizer"]) for event in progress} == {("texts", events[-1]["tokenizer"])}


def test_a_traceback_for_debugging(tmp_path: Path, texts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [f"models.refs=[{tmp_path / 'none'}]", f"data.text={texts}", f"store.url={tmp_path / 'store'}"]
    assert call_job("tokens", *command) == 1
    assert "Traceback" not in capsys.readouterr().err
    assert call_job("tokens", *command, "debug=true") == 1
    assert "Traceback" in capsys.readouterr().err


def test_other_texts_under_the_same_name(texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["tokens", f"models.refs=[{LLAMA}]", f"data.text={texts}", f"store.url={tmp_path / 'store'}"]
    assert call_job(*command) == 0
    (texts / "a.jsonl").write_bytes(lines(documents(200))[:-1])
    capsys.readouterr()
    assert call_job(*command) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        f"error: token dataset 'texts' in {tmp_path / 'store'} was made from other texts: a.jsonl had "
    )
    assert call_job(*command, "data.name=texts-2") == 0
